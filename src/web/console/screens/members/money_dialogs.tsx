/** What moves the money of a wallet: a top-up, a purchase, a hold. */
import { useState } from "react";
import { Choice, Field, Notice } from "../../../shared/ui.tsx";
import { useDocument } from "../../api/query_client.ts";
import { AmountField } from "../../parts/AmountField.tsx";
import { ActionDialog, useIdempotencyKey } from "../../parts/action_dialog.tsx";
import { amountToSend, timesAmount } from "../../parts/amount.ts";
import { Check } from "../../parts/dialog_button.tsx";
import { Money } from "../../parts/figures.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import {
  Buy,
  PlaceHold,
  ProductsForSale,
  type ProductsForSaleQuery,
  TopUp,
} from "./members.documents.ts";
import { useMembersWords } from "./words.ts";

/** Whose wallet it is, and what is in it. */
export interface WalletOf {
  readonly memberId: string;
  readonly accountId: string;
  readonly name: string;
  readonly currency: string;
  readonly available: string | null;
}

function InWallet({ wallet }: { wallet: WalletOf }) {
  const words = useMembersWords();
  return (
    <p>
      {words("balanceNow")}, {words("available").toLowerCase()}:{" "}
      <Money amount={wallet.available} currency={wallet.currency} />
    </p>
  );
}

export function TopUpDialog({ wallet, close }: { wallet: WalletOf; close: () => void }) {
  const words = useMembersWords();
  const idempotencyKey = useIdempotencyKey();
  const [typed, setTyped] = useState("");
  const [description, setDescription] = useState("");
  const [isTried, setIsTried] = useState(false);
  return (
    <ActionDialog
      title={words("topUpTitle", { name: wallet.name })}
      document={TopUp}
      close={close}
      submit={words("topUp")}
      onDone={() => words("toppedUp")}
      variables={() => {
        setIsTried(true);
        const amount = amountToSend(typed);
        const { memberId } = wallet;
        if (amount === null) return null;
        return {
          input: { memberId, amount, description: description.trim() || null, idempotencyKey },
        };
      }}
    >
      <InWallet wallet={wallet} />
      <AmountField
        label={words("amount")}
        value={typed}
        onChange={setTyped}
        currency={wallet.currency}
        isTried={isTried}
      />
      <Field
        label={words("descriptionOptional")}
        maxLength={500}
        value={description}
        onChange={({ target }) => setDescription(target.value)}
      />
    </ActionDialog>
  );
}

export function HoldDialog({ wallet, close }: { wallet: WalletOf; close: () => void }) {
  const words = useMembersWords();
  const idempotencyKey = useIdempotencyKey();
  const [typed, setTyped] = useState("");
  const [description, setDescription] = useState("");
  const [hours, setHours] = useState("");
  const [isTried, setIsTried] = useState(false);
  const isHoursWrong = hours.trim() !== "" && wholeNumber(hours, 1, 87_600) === null;
  return (
    <ActionDialog
      title={words("holdTitle", { name: wallet.name })}
      document={PlaceHold}
      close={close}
      submit={words("hold")}
      onDone={() => words("heldNow")}
      variables={() => {
        setIsTried(true);
        const amount = amountToSend(typed);
        if (amount === null || isHoursWrong) return null;
        const expiresIn = hours.trim() === "" ? null : { hours: wholeNumber(hours, 1, 87_600) };
        const { accountId } = wallet;
        const input = { accountId, amount, expiresIn, description: description.trim() || null };
        return { input: { ...input, idempotencyKey } };
      }}
    >
      <p className="text-soft">{words("holdLead")}</p>
      <InWallet wallet={wallet} />
      <AmountField
        label={words("amount")}
        value={typed}
        onChange={setTyped}
        currency={wallet.currency}
        isTried={isTried}
      />
      <Field
        label={words("descriptionOptional")}
        maxLength={500}
        value={description}
        onChange={({ target }) => setDescription(target.value)}
      />
      <Field
        label={words("hours")}
        inputMode="numeric"
        maxLength={6}
        value={hours}
        error={isTried && isHoursWrong ? words("hoursWrong") : undefined}
        onChange={({ target }) => setHours(target.value)}
      />
    </ActionDialog>
  );
}

export function BuyDialog({ wallet, close }: { wallet: WalletOf; close: () => void }) {
  const words = useMembersWords();
  const idempotencyKey = useIdempotencyKey();
  const products = useDocument(ProductsForSale, { currency: wallet.currency });
  const [productId, setProductId] = useState("");
  const [quantity, setQuantity] = useState("1");
  const [holdOnly, setHoldOnly] = useState(false);
  const [isTried, setIsTried] = useState(false);
  const count = wholeNumber(quantity, 1, 1000);
  const product = rowsOf(products.data).find(({ id }) => id === productId);
  const amount = product && count !== null ? timesAmount(product.price, count) : null;
  return (
    <ActionDialog
      title={words("buyTitle", { name: wallet.name })}
      document={Buy}
      close={close}
      submit={words("buy")}
      onDone={() => words(holdOnly ? "heldNow" : "bought")}
      variables={() => {
        setIsTried(true);
        if (amount === null || count === null) return null;
        const { memberId } = wallet;
        return {
          input: { memberId, productId, amount, quantity: count, holdOnly, idempotencyKey },
        };
      }}
    >
      <InWallet wallet={wallet} />
      <Loaded query={products} document={ProductsForSale}>
        {(data) => (
          <ProductChoice data={data} value={productId} onChange={setProductId} isTried={isTried} />
        )}
      </Loaded>
      <Field
        label={words("quantity")}
        inputMode="numeric"
        maxLength={4}
        value={quantity}
        error={count === null ? words("quantityWrong") : undefined}
        onChange={({ target }) => setQuantity(target.value)}
      />
      <Check
        label={words("holdOnly")}
        hint={words("holdOnlyHint")}
        checked={holdOnly}
        onChange={setHoldOnly}
      />
      <p aria-live="polite" className="text-lg font-bold">
        {words("toPay")}: <Money amount={amount} currency={wallet.currency} />
      </p>
    </ActionDialog>
  );
}

function ProductChoice({
  data,
  value,
  onChange,
  isTried,
}: {
  data: ProductsForSaleQuery;
  value: string;
  onChange: (id: string) => void;
  isTried: boolean;
}) {
  const words = useMembersWords();
  const rows = rowsOf(data);
  if (rows.length === 0) return <Notice weight="warn">{words("noProducts")}</Notice>;
  return (
    <div>
      <Choice
        label={words("product")}
        value={value}
        onChange={({ target }) => onChange(target.value)}
        options={[
          ["", words("chooseProduct")],
          ...rows.map(({ id, code, name }): [string, string] => [id, `${code} · ${name}`]),
        ]}
      />
      {isTried && value === "" && <p className="text-sm text-bad">{words("chooseProduct")}</p>}
      {data.products?.pageInfo.hasNextPage && (
        <p className="text-sm text-soft">{words("moreProducts")}</p>
      )}
    </div>
  );
}

const rowsOf = (data: ProductsForSaleQuery | undefined) =>
  (data?.products?.nodes ?? []).filter((row) => row !== null);

/** A whole number between two others, or null. */
export function wholeNumber(typed: string, least: number, most: number): number | null {
  const number = /^\s*\d{1,9}\s*$/.test(typed) ? Number(typed) : Number.NaN;
  return number >= least && number <= most ? number : null;
}
