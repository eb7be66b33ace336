// Copy buttons: the text is in the button's data-text, or in the <pre> beside it.

const copyText = async text => {
  if (navigator.clipboard) {
    try { await navigator.clipboard.writeText(text); return true; }
    catch (refused) { console.info("clipboard refused: " + refused.name); }
  }
  const area = element("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
};
document.addEventListener("click", async event => {
  const button = event.target.closest("button.copy");
  if (!button || button.dataset.was) return;
  const beside = button.parentElement.querySelector("pre");
  const done = await copyText(button.dataset.text ?? beside.textContent);
  const details = beside?.closest("details");
  if (!done && details) details.open = true;
  button.dataset.was = button.textContent;
  button.textContent = done ? "Copied" : "Select it below";
  announce(button.textContent);
  setTimeout(() => { button.textContent = button.dataset.was; delete button.dataset.was; }, 1600);
});
