// Conditions on columns: from what a reader chose to what the archive understands.

/** The longest list of values to choose from: beyond it, a range or a free condition says more. */
const MOST_CHOICES = 24;

/** A name or a text as conditions quote it; `null` if it holds both kinds of quotes, which no condition can. */
function quoted(text) {
  if (!text.includes("'")) return `'${text}'`;
  return text.includes('"') ? null : `"${text}"`;
}

/** How a column can be chosen from: "choice", "range" or, where neither helps, `null`. */
export function kindOf(column) {
  if (quoted(column.name) === null || column.type === "floats") return null;
  const values = column.values ?? [];
  const few = values.length > 1 && values.length <= MOST_CHOICES;
  // Few whole numbers are classes or years: they are chosen one by one.
  if (few && values.every(({ value }) => literal(value) !== null)) return "choice";
  const ranged = ["int", "float", "date"].includes(column.type) && column.min !== undefined && column.min !== column.max;
  return ranged ? "range" : null;
}

/** The condition that holds of all filters and of the free one; `null` without any. */
export function condition(columns, filters, free) {
  const terms = columns.flatMap((column) => termsOf(column, filters[column.name]));
  if (free.trim()) terms.push(terms.length ? `(${free.trim()})` : free.trim());
  return terms.length ? terms.join(" and ") : null;
}

function termsOf(column, filter) {
  const name = quoted(column.name);
  if (!filter || name === null) return [];
  const terms = [];
  // A word of a URL may be of a column that has become another: what does not fit is not asked.
  const known = new Map((column.values ?? []).map(({ value }) => [String(value), value]));
  const chosen = (filter.is ?? []).filter((value) => known.has(value)).map((value) => literal(known.get(value)));
  if (chosen.length === 1) terms.push(`${name} = ${chosen[0]}`);
  if (chosen.length > 1) terms.push(`${name} in (${chosen.join(", ")})`);
  if (fits(column, filter.min)) terms.push(`${name} >= ${filter.min.trim()}`);
  if (fits(column, filter.max)) terms.push(`${name} <= ${filter.max.trim()}`);
  return terms;
}

/** True if a bound is of the column's type. */
export function fits(column, bound) {
  if (!bound) return false;
  if (column.type === "date") return /^\d{4}-\d{2}-\d{2}$/.test(bound);
  return (column.type === "int" ? /^-?\d+$/ : /^-?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i).test(bound.trim());
}

function literal(value) {
  return typeof value === "string" ? quoted(value) : String(value);
}
