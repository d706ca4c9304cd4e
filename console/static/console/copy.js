// Copies the text a button names. Without scripts the button stays hidden, and the text can be selected.
for (const button of document.querySelectorAll("button[data-copy]")) {
  const text = document.getElementById(button.dataset.copy);
  const told = button.parentElement.querySelector("[data-copied]");
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text.value);
    } catch {
      text.focus();
      text.select();
      document.execCommand("copy"); // where the clipboard is closed to pages, as over plain HTTP
    }
    told.textContent = "Copied.";
    setTimeout(() => { told.textContent = ""; }, 3000);
  });
}
