const response = await fetch("/api/archive");
const archive = await response.json();
document.getElementById("state").textContent = `${archive.rows} tiles.`;
