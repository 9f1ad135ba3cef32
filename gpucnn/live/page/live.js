// The report while the run trains: the page asks how far it is, and draws itself anew after each epoch.

const PAUSE = {seen: 1000, hidden: 5000}, // milliseconds between two questions
  APART = 5000; // and, at least, between two drawings: an epoch may take less, and the server's work is the training's loss
const progress = el("p", {class: "note", id: "progress", role: "status"}, facts.told);
const GONE =
  "The training has ended or was stopped, and this page is not served any more; it shows the last state. " +
  `The run's report is in ${facts.path}.`;

/** What the user had set and where the focus was, so that a page that is drawn anew is as it was. */
function kept() {
  const active = document.activeElement,
    part = active?.closest("main section"),
    reached = (section) => [...(section?.querySelectorAll("a, button, input, [tabindex]") ?? [])];
  const checked = [...document.querySelectorAll("main input:checked")].map(({id}) => id),
    place = part ? [part.id, reached(part).indexOf(active)] : null,
    scroll = window.scrollY;
  return () => {
    for (const id of checked) document.getElementById(id)?.click();
    if (place) reached(document.getElementById(place[0]))[place[1]]?.focus({preventScroll: true});
    window.scrollTo(0, scroll);
  };
}

let over = false, // once the training has ended
  last = performance.now(); // when the page was drawn

function show() {
  document.querySelector("header").append(progress);
  document.title = facts.headline.length ? `${facts.headline[0][1]} · ${facts.title}` : facts.title;
}

async function given(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(await response.text());
  return response.json();
}

async function ask() {
  try {
    const {version, told, ended} = await given("/progress");
    if (version !== facts.version && (ended || performance.now() - last >= APART)) {
      const fresh = await given("/facts"),
        restore = kept();
      Object.assign(facts, fresh);
      assemble();
      show();
      restore();
      last = performance.now();
    }
    progress.textContent = told;
    over = ended;
  } catch (error) {
    if (!over) progress.textContent = error instanceof TypeError ? GONE : error.message; // a TypeError: no answer
  }
  window.setTimeout(ask, document.hidden ? PAUSE.hidden : PAUSE.seen);
}
show();
ask();
