(file) => {
  /* Hand a file that the server has made to the browser, as a download. */
  if (!file?.url) return;
  const link = document.createElement("a");
  link.href = file.url;
  link.download = file.orig_name ?? "";
  document.body.append(link);
  link.click();
  link.remove();
}
