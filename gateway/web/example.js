import { OkgateClient } from "./okgate.js";

const { websocket_port: port } = await (await fetch("config.json")).json();
const client = new OkgateClient({ url: `ws://${location.hostname}:${port}/` });
const card = document.querySelector("#card");
client.on("client.phone", ({ kind, party }) => {
  card.querySelector("h1").textContent = party.name || "Unknown caller";
  card.querySelector("p").textContent = party.number;
  card.open = kind === "ring";
});
client.followPhone();
document.querySelector("#login").addEventListener("submit", (event) => {
  event.preventDefault();
  client.login(Object.fromEntries(new FormData(event.target))).catch((error) => alert(error.message));
});
