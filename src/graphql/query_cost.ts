/**
 * What a GraphQL document would cost, counted before anything is planned: planning is where a
 * small document takes seconds, on the thread that serves everyone else.
 */
import {
  type ArgumentNode,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  Kind,
  Lexer,
  parse,
  type SelectionSetNode,
  Source,
  TokenKind,
  type ValueNode,
} from "graphql";
import { Refusal } from "../errors/refusal.ts";

/** Ceilings of one GraphQL request. */
export interface QueryLimits {
  readonly tokenCountMax: number;
  readonly aliasCountMax: number;
  readonly directiveCountMax: number;
  readonly fragmentCountMax: number;
  /** Fields of the top level, fragments expanded. */
  readonly rootFieldCountMax: number;
  /** Fields in all, fragments expanded. */
  readonly fieldCountMax: number;
  readonly depthMax: number;
  /** Rows that nested pages could multiply up to. */
  readonly rowCountMax: number;
  readonly pageSizeDefault: number;
  readonly pageSizeMax: number;
  readonly offsetMax: number;
  /** Whether subscriptions are served, and nothing else, as over a websocket. */
  readonly isSubscription: boolean;
  /** Whether only queries are served, as over GET, which proxies and browsers repeat as they like. */
  readonly isQueryOnly: boolean;
  /** Whether nothing can be changed, as on a standby. */
  readonly isReadOnly: boolean;
}

/** Ceilings that fit an application's own queries and GraphiQL's introspection. */
export const DEFAULT_QUERY_LIMITS: QueryLimits = {
  tokenCountMax: 1000,
  aliasCountMax: 20,
  directiveCountMax: 30,
  fragmentCountMax: 30,
  rootFieldCountMax: 10,
  fieldCountMax: 300,
  depthMax: 12,
  rowCountMax: 20_000,
  pageSizeDefault: 50,
  pageSizeMax: 1000,
  offsetMax: 100_000,
  isSubscription: false,
  isQueryOnly: false,
  isReadOnly: false,
};

/** Ceilings of a request without a token: health, errors, and GraphiQL's introspection. */
export const ANONYMOUS_QUERY_LIMITS: Partial<QueryLimits> = {
  tokenCountMax: 500,
  aliasCountMax: 10,
  directiveCountMax: 10,
  fragmentCountMax: 10,
  rootFieldCountMax: 4,
  fieldCountMax: 250,
  rowCountMax: 2000,
};

// The standard introspection query names the type of a type of a type.
const INTROSPECTION_DEPTH_EXTRA = 8;

/** Values of the request's variables. */
export type Variables = Readonly<Record<string, unknown>>;

/** A document within the limits. */
export interface MeasuredDocument {
  /** Names of the fields of its top level. */
  readonly rootNames: readonly string[];
  /** Itself, where other variables may take it over the limits. */
  readonly document?: DocumentNode;
}

/**
 * Refuses a document that would cost too much.
 *
 * @throws Refusal query_too_complex, page_invalid, text_invalid, read_only, or input_invalid for bad syntax
 */
export function measureQuery(
  query: string,
  variables: Variables,
  limits: QueryLimits,
): MeasuredDocument {
  scanTokens(query, limits);
  let document: DocumentNode;
  try {
    document = parse(query, { noLocation: true, maxTokens: limits.tokenCountMax });
  } catch (error) {
    throw new Refusal("input_invalid", (error as Error).message);
  }
  return measureDocument(document, variables, limits);
}

/**
 * The same for a document that was read before.
 *
 * @throws Refusal query_too_complex, page_invalid, read_only, or input_invalid
 */
export function measureDocument(
  document: DocumentNode,
  variables: Variables,
  limits: QueryLimits,
): MeasuredDocument {
  const measure = new DocumentMeasure(document, variables, limits);
  const rootNames = measure.check();
  return { rootNames, ...(measure.goesByVariables && { document }) };
}

/**
 * As measureQuery, for a document that is asked once.
 *
 * @returns names of the fields of its top level
 */
export function checkQuery(
  query: string,
  variables: Variables,
  limits: QueryLimits,
): readonly string[] {
  return measureQuery(query, variables, limits).rootNames;
}

/** Stops at the first token over a limit: a long document costs no more than a short one. */
function scanTokens(query: string, limits: QueryLimits): void {
  const lexer = new Lexer(new Source(query));
  const counts = { token: 0, alias: 0, directive: 0, fragment: 0 };
  let parenthesisDepth = 0;
  for (;;) {
    let token: ReturnType<Lexer["advance"]>;
    try {
      token = lexer.advance();
    } catch (error) {
      throw new Refusal("input_invalid", (error as Error).message);
    }
    counts.token += 1;
    switch (token.kind) {
      case TokenKind.EOF:
        return;
      case TokenKind.PAREN_L:
        parenthesisDepth += 1;
        break;
      case TokenKind.PAREN_R:
        parenthesisDepth -= 1;
        break;
      case TokenKind.COLON:
        // Within parentheses a colon follows an argument's name, outside an alias.
        counts.alias += parenthesisDepth === 0 ? 1 : 0;
        break;
      case TokenKind.AT:
        counts.directive += 1;
        break;
      case TokenKind.SPREAD:
        counts.fragment += 1;
        break;
      case TokenKind.STRING:
      case TokenKind.BLOCK_STRING:
        requireCleanText(token.value);
        break;
    }
    requireAtMost(counts.token, limits.tokenCountMax, "tokens");
    requireAtMost(counts.alias, limits.aliasCountMax, "aliases");
    requireAtMost(counts.directive, limits.directiveCountMax, "directives");
    requireAtMost(counts.fragment, limits.fragmentCountMax, "fragments");
  }
}

/** Refuses text that PostgreSQL cannot hold: the character zero, and half a surrogate pair. */
export function requireCleanText(text: string): void {
  if (text.includes("\u0000") || !text.isWellFormed()) {
    throw new Refusal("text_invalid");
  }
}

function requireAtMost(count: number, countMax: number, what: string): void {
  if (count > countMax) {
    throw new Refusal("query_too_complex", `more than ${countMax} ${what}`);
  }
}

/** Walks the operations with their fragments expanded, and gives up at the first limit. */
class DocumentMeasure {
  readonly #document: DocumentNode;
  readonly #variables: Variables;
  readonly #limits: QueryLimits;
  readonly #fragments = new Map<string, FragmentDefinitionNode>();
  /** Whether a size was a variable's. */
  goesByVariables = false;
  #stepCount = 0;
  #defaults = new Map<string, ValueNode>();

  constructor(document: DocumentNode, variables: Variables, limits: QueryLimits) {
    this.#document = document;
    this.#variables = variables;
    this.#limits = limits;
  }

  check(): string[] {
    const rootNames: string[] = [];
    for (const definition of this.#document.definitions) {
      if (definition.kind === Kind.FRAGMENT_DEFINITION) {
        this.#fragments.set(definition.name.value, definition);
      }
    }
    for (const definition of this.#document.definitions) {
      if (definition.kind !== Kind.OPERATION_DEFINITION) {
        continue;
      }
      this.#defaults = new Map();
      for (const variable of definition.variableDefinitions ?? []) {
        if (variable.defaultValue) {
          this.#defaults.set(variable.variable.name.value, variable.defaultValue);
        }
      }
      const rootFields = this.#fieldsOf(definition.selectionSet, []);
      if ((definition.operation === "subscription") !== this.#limits.isSubscription) {
        throw new Refusal("input_invalid", "subscriptions, and nothing else, come by websocket");
      }
      if (this.#limits.isQueryOnly && definition.operation !== "query") {
        throw new Refusal("input_invalid", "GET is for queries, a mutation comes by POST", {
          status: 405,
        });
      }
      if (this.#limits.isReadOnly && definition.operation === "mutation") {
        throw new Refusal("read_only");
      }
      // Each mutation field would commit on its own: a request would be half done on an error.
      if (definition.operation === "mutation" && rootFields.length > 1) {
        throw new Refusal("query_too_complex", "more than 1 mutation in a request");
      }
      requireAtMost(rootFields.length, this.#limits.rootFieldCountMax, "root fields");
      for (const field of rootFields) {
        const extra = field.name.value.startsWith("__") ? INTROSPECTION_DEPTH_EXTRA : 0;
        this.#walk(field, this.#limits.depthMax + extra, 1);
        rootNames.push(field.name.value);
      }
    }
    return rootNames;
  }

  #walk(field: FieldNode, depthLeft: number, rowCount: number): void {
    if (depthLeft <= 0) {
      requireAtMost(this.#limits.depthMax + 1, this.#limits.depthMax, "levels");
    }
    for (const argument of field.arguments ?? []) {
      this.#checkPageArgument(argument);
    }
    if (field.selectionSet === undefined) {
      return;
    }
    const children = this.#fieldsOf(field.selectionSet, []);
    const isPaged = children.some(({ name: { value } }) => value === "nodes" || value === "edges");
    const rowCountHere = isPaged ? rowCount * this.#pageSizeOf(field) : rowCount;
    requireAtMost(rowCountHere, this.#limits.rowCountMax, "rows");
    for (const child of children) {
      this.#walk(child, depthLeft - 1, rowCountHere);
    }
  }

  #fieldsOf(selectionSet: SelectionSetNode, path: readonly string[]): FieldNode[] {
    return selectionSet.selections.flatMap((selection) => {
      this.#stepCount += 1;
      requireAtMost(this.#stepCount, this.#limits.fieldCountMax, "fields");
      if (selection.kind === Kind.FIELD) {
        return [selection];
      }
      if (selection.kind === Kind.INLINE_FRAGMENT) {
        return this.#fieldsOf(selection.selectionSet, path);
      }
      const name = selection.name.value;
      if (path.includes(name)) {
        throw new Refusal("query_too_complex", `fragment ${name} contains itself`);
      }
      const fragment = this.#fragments.get(name);
      return fragment ? this.#fieldsOf(fragment.selectionSet, [...path, name]) : [];
    });
  }

  #checkPageArgument(argument: ArgumentNode): void {
    const name = argument.name.value;
    if (name !== "first" && name !== "last" && name !== "offset") {
      return;
    }
    const size = this.#numberOf(argument.value);
    const sizeMax = name === "offset" ? this.#limits.offsetMax : this.#limits.pageSizeMax;
    if (size !== undefined && !(size >= 0 && size <= sizeMax)) {
      throw new Refusal("page_invalid", `${name}: 0 to ${sizeMax}`);
    }
  }

  #pageSizeOf(field: FieldNode): number {
    const size = (field.arguments ?? [])
      .filter(({ name }) => name.value === "first" || name.value === "last")
      .map(({ value }) => this.#numberOf(value));
    return size[0] ?? this.#limits.pageSizeDefault;
  }

  #numberOf(value: ValueNode): number | undefined {
    if (value.kind === Kind.INT || value.kind === Kind.FLOAT) {
      return Number(value.value);
    }
    if (value.kind !== Kind.VARIABLE) {
      return undefined;
    }
    this.goesByVariables = true;
    const name = value.name.value;
    const given = Object.hasOwn(this.#variables, name) ? this.#variables[name] : undefined;
    if (given !== undefined) {
      return typeof given === "number" ? given : undefined;
    }
    const fallback = this.#defaults.get(name);
    return fallback === undefined ? undefined : this.#numberOf(fallback);
  }
}
