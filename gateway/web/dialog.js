/**
 * A dialog over the page, made when it is opened and gone when it is closed.
 *
 * Owns: the dialog element, its form and the failure in it. Comes in: a title, the fields, what its button does.
 * Goes out: nothing. The browser's own `<dialog>` keeps the focus in it and gives it back.
 */

import { element, iconButton, isOff, setOff, setText } from "./dom.js";
import { strings } from "./strings.js";

/**
 * @param {object} options
 * @param {string} options.title
 * @param {Node[]} options.content
 * @param {string} options.submit the button's words
 * @param {() => Promise<string | null>} options.save what the button does; words of what is wrong keep the dialog open
 * @returns {HTMLDialogElement} shown already
 */
export function openDialog({ title, content, submit, save }) {
  const error = element("p", { class: "form-error", role: "alert" });
  const button = element("button", { type: "submit", class: "button button-primary" }, submit);
  const cancel = element("button", { type: "button", class: "button", click: () => dialog.close() }, strings.cancel);
  const onSubmit = async (event) => {
    event.preventDefault();
    if (isOff(button)) return;
    setOff(button, true);
    setText(error, "");
    const wrong = await save();
    setOff(button, false);
    if (wrong === null) dialog.close();
    else setText(error, wrong);
  };
  const form = element(
    "form",
    { class: "dialog-form", novalidate: true, submit: onSubmit },
    element(
      "header",
      { class: "dialog-head" },
      // In a menu the dots say that a dialog follows; here it is.
      element("h2", { id: "dialog-title" }, title.replace(/…$/, "")),
      iconButton("close", strings.close, { click: () => dialog.close() }),
    ),
    element("div", { class: "dialog-body" }, ...content),
    error,
    element("footer", { class: "dialog-foot" }, cancel, button),
  );
  const dialog = element(
    "dialog",
    { class: "dialog", "aria-labelledby": "dialog-title", close: () => dialog.remove() },
    form,
  );
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
