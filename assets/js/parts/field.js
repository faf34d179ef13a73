// A labeled input with its hint.
import { el, uid } from "../dom.js";

/** Returns `{node, input}`; the props go to the input. `hint` becomes its accessible description. */
export function Field(label, props, hint) {
  const id = uid("field");
  const name = `${id}-label`;
  const help = hint ? `${id}-hint` : null;
  const tag = props.rows ? "textarea" : "input";
  const input = el(tag, { id, "aria-labelledby": name, "aria-describedby": help, ...props });
  const node = el("div", { class: "field" },
    el("label", { id: name, for: id }, label),
    input,
    hint && el("p", { class: "hint", id: help }, hint));
  return { node, input };
}

/** A labeled select. `options` are `[value, text]`. */
export function Choice(label, props, options, hint) {
  const id = uid("field");
  const name = `${id}-label`;
  const help = hint ? `${id}-hint` : null;
  const { value, ...rest } = props;
  const input = el("select", { id, "aria-labelledby": name, "aria-describedby": help, ...rest },
    options.map(([option, text]) => el("option", { value: option, selected: option === value }, text)));
  const node = el("div", { class: "field" },
    el("label", { id: name, for: id }, label),
    input,
    hint && el("p", { class: "hint", id: help }, hint));
  return { node, input };
}
