/**
 * Who there is to be called: colleagues and services, in the order in which they are shown, and their states.
 *
 * Pure functions over the answers of `getallusernumbers` and `getpbxnumbers` (protocol 6.4). The words come from outside.
 */

import { idOf, stateName, truth } from "./phone.js";

/**
 * @param {object[]} users of `getallusernumbers`
 * @param {object[]} numbers of `getpbxnumbers`
 * @param {string} myUserid I am not my own colleague
 * @param {{noDepartment: string, services: string, types: Record<number, string>}} words
 * @returns {import("./store.js").Person[]} by department and name; people without one, and services, come last
 */
export function peopleOf(users, numbers, myUserid, words) {
  const byNumber = new Map(numbers.map((row) => [String(row.number), row]));
  const owned = new Set();
  const people = [];
  for (const user of users) {
    for (const number of [user.main, ...(user.nums ?? [])]) owned.add(String(number));
    const number = String(user.main ?? user.nums?.[0] ?? "");
    if (!number || idOf(user.id) === idOf(myUserid)) continue;
    people.push({
      name: String(user.name ?? "") || number,
      number,
      userid: idOf(user.id),
      userlogin: String(user.login ?? ""),
      department: String(byNumber.get(number)?.department ?? ""),
      supervised: truth(user.sub),
      service: "",
    });
  }
  const { compare } = new Intl.Collator();
  people.sort(
    (a, b) =>
      Number(!a.department) - Number(!b.department) || compare(a.department, b.department) || compare(a.name, b.name),
  );
  for (const person of people) person.department ||= words.noDepartment;
  const services = numbers.filter(({ type, number }) => words.types[type] && !owned.has(String(number)));
  return [...people, ...services.map((row) => serviceOf(row, words))];
}

function serviceOf({ type, number, caption }, words) {
  return {
    name: String(caption || number),
    number: String(number),
    userid: "",
    userlogin: "",
    department: words.services,
    supervised: false,
    service: words.types[type],
  };
}

/**
 * @param {ReadonlyMap<string, string>} states
 * @param {{num: string, numstateid: number}[]} changes of `pbxnumberstatechanged`
 * @returns {ReadonlyMap<string, string>} the same map if nothing differs
 */
export function withStates(states, changes) {
  const news = changes
    .map(({ num, numstateid }) => [String(num), stateName(numstateid)])
    .filter(([number, state]) => states.get(number) !== state);
  return news.length ? new Map([...states, ...news]) : states;
}

/** @returns {string} the name of a number's or a user's bearer; empty if nobody has it */
export function nameOf(people, { number, userid }) {
  const id = idOf(userid);
  const found = people.find((person) => (id ? person.userid === id : person.number === String(number ?? "")));
  return found?.name ?? "";
}
