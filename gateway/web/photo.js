/**
 * Photos: whose there are, how they stand in the page, and giving one's own.
 *
 * Owns: the avatar's element and the dialog. Comes in: links of `getalluserphotolink` (protocol 6.4-c), a picture file.
 * Goes out: the picture, made small, as an upload with a temporary password (10-j), and then `setmyuserphoto`.
 */

import { element, icon, initials } from "./dom.js";
import { openDialog } from "./dialog.js";
import { OkgateError } from "./okgate.js";
import { idOf } from "./phone.js";
import { strings } from "./strings.js";

/** @returns {ReadonlyMap<string, string>} by user id: the link of the picture */
export function photosOf(answer) {
  const links = (answer?.links ?? [])
    .filter(Boolean)
    .map(({ id, link, link96x96 }) => [idOf(id), String(link96x96 || link || "")]);
  return new Map(links.filter(([, link]) => link.startsWith("/")));
}

/**
 * Fills an avatar: the photo, else the initials, else an icon. Nothing is done when it shows that already.
 *
 * @param {HTMLElement} node
 * @param {{photo?: string, name?: string, symbol?: string}} whose
 */
export function fillAvatar(node, { photo = "", name = "", symbol = "person" }) {
  const key = `${photo} ${name} ${symbol}`;
  if (node.dataset.shows === key) return;
  node.dataset.shows = key;
  const words = name ? document.createTextNode(initials(name)) : icon(symbol);
  const dot = node.querySelector(".dot");
  const image =
    photo && element("img", { src: photo, alt: "", loading: "lazy", error: () => image.replaceWith(words) });
  node.replaceChildren(image || words, ...(dot ? [dot] : []));
}

/**
 * Opens the dialog for one's own photo.
 *
 * @param {import("./commands.js").Commands} commands
 * @param {() => void} done
 */
export function choosePhoto(commands, done) {
  const input = element("input", { id: "photo-file", type: "file", accept: "image/*" });
  const row = element("div", { class: "field" }, element("label", { for: "photo-file" }, strings.photo.file), input);
  const save = async () => {
    const [file] = input.files;
    if (!file) return strings.photo.missing;
    const picture = await small(file).catch(() => null);
    if (!picture) return strings.photo.unreadable;
    const { fault } = await commands.try(strings.failed.photo, (client) => give(client, picture));
    if (fault === null) done();
    return fault;
  };
  openDialog({ title: strings.photo.title, content: [row], submit: strings.save, save });
}

async function give(client, picture) {
  const { password } = await client.temporaryPassword();
  const form = new FormData();
  form.append("file", picture, "photo.jpg");
  const query = new URLSearchParams({ temppass: password, storagemode: "storage", pathmode: "relative" });
  const answer = await fetch(`/upload?${query}`, { method: "POST", body: form }).catch(() => null);
  const path = / path="([^"]+)"/.exec((answer?.ok && (await answer.text())) || "")?.[1];
  if (!path) throw new OkgateError(answer?.status ?? 503, "", "upload");
  return client.setPhoto(path);
}

/** The middle of the picture as a square of 192 pixels. */
async function small(file) {
  const picture = await createImageBitmap(file);
  const side = Math.min(picture.width, picture.height);
  const canvas = new OffscreenCanvas(SIDE, SIDE);
  const [left, top] = [(picture.width - side) / 2, (picture.height - side) / 2];
  canvas.getContext("2d").drawImage(picture, left, top, side, side, 0, 0, SIDE, SIDE);
  return canvas.convertToBlob({ type: "image/jpeg", quality: 0.9 });
}

const SIDE = 192;
