/** The element with this id: they all stand in index.html. */
export function byId<E extends HTMLElement = HTMLElement>(id: string): E {
  return document.getElementById(id) as E;
}

export function say(message: string): void {
  byId("status").textContent = message;
}
