() => setTimeout(() => document.querySelector("#tray-view")?.scrollIntoView({ block: "nearest" }), 200)
