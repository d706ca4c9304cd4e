// Goes on by itself while the page is open; without scripts the button does.
const form = document.querySelector("[data-go-on]");
if (form) {
  let stopped = false;
  form.querySelector("[value=drop]").addEventListener("click", () => { stopped = true; });
  setTimeout(() => { if (!stopped) form.querySelector("[value=go_on]").click(); }, 400);
}
