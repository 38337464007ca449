/**
 * Forms of the CRM that are opened at this user: cards over the page, the newest first.
 *
 * Owns: the region `forms` and what is typed in it. Comes in: `showuserform`, `closeform`. Goes out: `methodresult` with what was
 * typed, `closeform` when the person puts a form away. A form takes no focus and moves nothing: it may come with a ring.
 */

import { announce, byId, checkField, choiceField, element, field, iconButton, isOff, setOff, setText } from "./dom.js";
import { idOf, readableNumber, truth } from "./phone.js";
import { strings } from "./strings.js";

/**
 * @typedef {object} FormParameter
 * @property {string} key
 * @property {string} name
 * @property {"string" | "number" | "boolean" | "datetime" | "list"} type
 * @property {[string, string][]} items ids and names of a list
 * @property {any} value `undefined` for none
 */

/**
 * What a `showuserform` says, as the page shows it. A gateway that says nothing of the declaration gets its values shown by their
 * keys, and nothing to type.
 *
 * @returns {{id: string, title: string, inputs: FormParameter[], outputs: FormParameter[]}}
 */
export function formOf({ windowid, formkey, formname, inputparameters, inputparams, outputparams }) {
  const values = inputparameters ?? {};
  const declared = (list) =>
    list.filter((parameter) => parameter?.key).map((parameter) => parameterOf(parameter, values));
  const undeclared = Object.keys(values).map((key) => ({ key }));
  return {
    id: idOf(windowid),
    title: formname || formkey || "",
    inputs: declared(inputparams ?? undeclared).filter(({ value }) => says(value)),
    outputs: declared(outputparams ?? []),
  };
}

function parameterOf({ key, name, type, items }, values) {
  const choices = (items ?? []).filter(Boolean).map(({ id, name: words }) => [String(id), String(words ?? id)]);
  return {
    key,
    name: name || key,
    type: TYPES.has(type) ? type : "string",
    items: choices,
    value: Object.hasOwn(values, key) ? (values[key] ?? undefined) : undefined,
  };
}

/**
 * A value in words.
 *
 * @param {FormParameter} parameter
 * @returns {string}
 */
export function wordsOf({ type, items, value }) {
  if (type === "boolean") return truth(value) ? strings.forms.yes : strings.forms.no;
  if (type === "list") return items.find(([id]) => id === String(value))?.[1] ?? String(value);
  if (typeof value === "object") return JSON.stringify(value);
  return readableNumber(String(value));
}

/**
 * What was typed, as the type that the CRM declared; `undefined` for nothing, `null` for what is no such value.
 *
 * @param {FormParameter["type"]} type
 * @param {{value: string, checked?: boolean}} input
 */
export function typedValue(type, { value, checked }) {
  if (type === "boolean") return Boolean(checked);
  const text = value.trim();
  if (type === "string") return value;
  if (!text) return undefined;
  if (type !== "number") return text;
  const number = Number(text.replace(",", "."));
  return Number.isFinite(number) ? number : null;
}

export class Forms {
  #place = byId("forms");
  #commands;
  /** The open forms' elements, by window. */
  #open = new Map();
  /** Those that the gateway has told of since the link is up. */
  #told = new Set();

  /** @param {import("./commands.js").Commands} commands */
  constructor(commands) {
    this.#commands = commands;
  }

  /** @param {import("./okgate.js").OkgateClient} client */
  listen(client) {
    client.onForm(
      (event) => this.#show(formOf(event)),
      (windowid) => this.#remove(idOf(windowid)),
    );
    client.on("client.status", ({ state }) => {
      if (state !== "online") this.#told.clear();
    });
    client.on("client.ready", () => this.#forgetOthers());
  }

  /** Another user comes. */
  clear() {
    for (const id of [...this.#open.keys()]) this.#remove(id);
  }

  /** After a reconnection the gateway tells of what is open, before it answers anything else: the others were closed meanwhile. */
  async #forgetOthers() {
    if (!this.#open.size) return;
    if (!(await this.#commands.read((client) => client.userState()))) return;
    for (const id of [...this.#open.keys()]) if (!this.#told.has(id)) this.#remove(id);
  }

  #show(form) {
    this.#told.add(form.id);
    // What is being typed stays when the form is told of again.
    if (this.#open.has(form.id)) return;
    const node = this.#card(form);
    this.#open.set(form.id, node);
    this.#place.prepend(node);
    this.#place.hidden = false;
    announce(strings.forms.opened(form.title, form.inputs.map((input) => wordsOf(input)).join(", ")));
  }

  #remove(id) {
    this.#open.get(id)?.remove();
    this.#open.delete(id);
    this.#place.hidden = !this.#open.size;
  }

  #card(form) {
    const title = `form-${form.id}`;
    const error = element("p", { class: "form-error", role: "alert" });
    const fields = form.outputs.map((output, place) => ({ ...output, ...this.#field(output, `${title}-${place}`) }));
    const send = element("button", { type: "submit", class: "button button-primary" }, strings.forms.send);
    const close = () => this.#close(form.id);
    const values = form.inputs.map((input) =>
      element("div", { class: "form-value" }, element("dt", {}, input.name), element("dd", {}, wordsOf(input))),
    );
    const submit = async (event) => {
      event.preventDefault();
      if (isOff(send)) return;
      const wrong = invalid(fields);
      setText(error, wrong ? strings.forms.noNumber(wrong.name) : "");
      if (wrong) return wrong.input.focus();
      setOff(send, true);
      setText(error, await this.#send(form.id, fields));
      setOff(send, false);
    };
    return element(
      "form",
      { class: "card form-card", novalidate: true, "aria-labelledby": title, submit },
      element(
        "header",
        { class: "form-head" },
        element("h2", { id: title }, form.title),
        iconButton("close", strings.forms.close, { click: close }),
      ),
      ...(values.length ? [element("dl", { class: "form-values" }, ...values)] : []),
      ...fields.map(({ row }) => row),
      ...(fields.length ? [error, element("footer", { class: "form-foot" }, send)] : []),
    );
  }

  #field({ name, type, items, value }, id) {
    if (type === "boolean") return checkField(name, { id, checked: truth(value) });
    if (type === "list") {
      const options = [["", strings.forms.nothing], ...items];
      return choiceField(name, options, { id, value: says(value) ? String(value) : "" });
    }
    const kinds = { number: { inputmode: "decimal" }, datetime: { type: "datetime-local" } };
    return field(name, { id, maxlength: VALUE_CHARS_MAX, value: says(value) ? String(value) : "", ...kinds[type] });
  }

  /** @returns {Promise<string>} words of what went wrong */
  async #send(id, fields) {
    const values = {};
    for (const { key, type, input } of fields) {
      const value = typedValue(type, input);
      if (value !== undefined) values[key] = value;
    }
    const { fault } = await this.#commands.try(strings.failed.form, (client) => client.formResult(id, values));
    if (!fault) this.#remove(id);
    return fault ?? "";
  }

  /** The card goes at once: nobody wants to wait for that. */
  #close(id) {
    this.#remove(id);
    this.#commands.read((client) => client.closeForm(id));
  }
}

function invalid(fields) {
  const wrong = fields.find(({ type, input }) => typedValue(type, input) === null);
  for (const { input } of fields) input.setAttribute("aria-invalid", String(input === wrong?.input));
  return wrong;
}

function says(value) {
  return value !== undefined && value !== null && value !== "";
}

const TYPES = new Set(["string", "number", "boolean", "datetime", "list"]);
const VALUE_CHARS_MAX = "2000";
