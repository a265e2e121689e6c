import "./graphile_env.ts";
import "postgraphile";
import { context, lambda, listen, type Step } from "postgraphile/grafast";
import { extendSchema } from "postgraphile/utils";
import type { AccountEvents } from "./account_events.ts";

declare global {
  namespace Grafast {
    interface Context {
      accountEvents: AccountEvents;
    }
  }
}

/** Subscriptions; what they deliver is read again under the rights of the listener. */
export const SubscriptionsPlugin = extendSchema((build) => {
  const { account, customer, rerating, sub_balance: subBalance } = build.pgResources;
  if (!account || !subBalance) throw new Error("the schema has no accounts");
  if (!customer || !rerating) throw new Error("the schema has no metering");
  const follow = (topicOf: (values: readonly unknown[]) => object, steps: Step[]) =>
    listen(
      context().get("accountEvents") as never,
      lambda(steps, (values) => JSON.stringify(topicOf(values))) as never,
    );
  return {
    typeDefs: /* GraphQL */ `
      extend type Subscription {
        """
        Tells when the balances of an account have changed: once at the start, then after each
        posting to an immediate account and each hold on it, and after each settlement that touched
        it. What is submitted to a hot account is told when it has settled. Changes that come at
        once may be told once. Ask account.balances for the figures. Error: SB007 for an account
        that does not exist or is not yours.
        """
        accountChanged(accountId: BigInt!): AccountChange

        """
        Tells once when a transaction of a hot account has settled, at once if it has already, and
        ends. Error: SB007.
        """
        transactionSettled(accountId: BigInt!, subBalanceId: UUID!): TransactionSettled

        """
        Tells when the balance of a customer's deposit account has changed, as accountChanged does:
        once at the start, then after a deposit, and after a reading or a change of price or factor
        that costs more or less than before. Ask account.balance for it. Errors: SB007, SB006.
        """
        customerBalanceChanged(customerId: BigInt!): CustomerBalanceChange

        """
        Tells how far a re-rating is: once at the start, then after each slice, and ends when it is
        done or has failed. Errors: SB007, SB006.
        """
        reratingChanged(reratingId: BigInt!): ReratingChange

        """
        Tells when what needs a person may have changed: once at the start, then after each check,
        heal, decision, freeze, and when an alert is opened, acknowledged or resolved. Ask for what
        is shown. Error: SB006. Who may: admin, accountant, operator, auditor.
        """
        attentionChanged: AttentionChange
      }

      """What of that which needs a person may have changed."""
      type AttentionChange {
        """subscribed: the start; check, heal, decision, freeze, alert: one was made or decided."""
        event: String
      }

      """A change of the balance of a customer's deposit account."""
      type CustomerBalanceChange {
        """subscribed: the start; settled: transactions were; balance: others were posted."""
        event: String
        """The customer."""
        customer: Customer
        """The deposit account as it is now."""
        account: Account
      }

      """A step of a re-rating."""
      type ReratingChange {
        """The re-rating as it is now."""
        rerating: Rerating
      }

      """A change of an account's balances."""
      type AccountChange {
        """subscribed: the start; settled: its transactions were; balance: others posted to it."""
        event: String
        """The account as it is now."""
        account: Account
      }

      """The settlement of a transaction."""
      type TransactionSettled {
        """The transaction, which has its settlement by now."""
        subBalance: SubBalance
      }
    `,
    objects: {
      Subscription: {
        plans: {
          accountChanged: {
            subscribePlan: (_: Step, args: { getRaw(name: string): Step }) =>
              follow(([accountId]) => ({ accountId }), [args.getRaw("accountId")]),
            plan: ($event: Step) => $event,
          },
          transactionSettled: {
            subscribePlan: (_: Step, args: { getRaw(name: string): Step }) =>
              follow(
                ([accountId, subBalanceId]) => ({ accountId, subBalanceId }),
                [args.getRaw("accountId"), args.getRaw("subBalanceId")],
              ),
            plan: ($event: Step) => $event,
          },
          customerBalanceChanged: {
            subscribePlan: (_: Step, args: { getRaw(name: string): Step }) =>
              follow(([customerId]) => ({ customerId }), [args.getRaw("customerId")]),
            plan: ($event: Step) => $event,
          },
          reratingChanged: {
            subscribePlan: (_: Step, args: { getRaw(name: string): Step }) =>
              follow(([reratingId]) => ({ reratingId }), [args.getRaw("reratingId")]),
            plan: ($event: Step) => $event,
          },
          attentionChanged: {
            subscribePlan: () => follow(() => ({ needs: "attention" }), []),
            plan: ($event: Step) => $event,
          },
        },
      },
      AttentionChange: {
        plans: { event: ($event: Step) => fieldOf($event, "event") },
      },
      CustomerBalanceChange: {
        plans: {
          event: ($event: Step) => fieldOf($event, "event"),
          customer: ($event: Step) => customer.get({ id: fieldOf($event, "customer_id") as never }),
          account: ($event: Step) => account.get({ id: fieldOf($event, "account_id") as never }),
        },
      },
      ReratingChange: {
        plans: {
          rerating: ($event: Step) => rerating.get({ id: fieldOf($event, "rerating_id") as never }),
        },
      },
      AccountChange: {
        plans: {
          event: ($event: Step) => fieldOf($event, "event"),
          account: ($event: Step) => account.get({ id: fieldOf($event, "account_id") as never }),
        },
      },
      TransactionSettled: {
        plans: {
          subBalance: ($event: Step) =>
            subBalance.get({
              account_id: fieldOf($event, "account_id") as never,
              id: fieldOf($event, "sub_balance_id") as never,
            }),
        },
      },
    },
  } as never;
}, "SubscriptionsPlugin");

function fieldOf($event: Step, name: string): Step {
  return lambda($event, (event) => (event as Record<string, unknown>)[name], true);
}
