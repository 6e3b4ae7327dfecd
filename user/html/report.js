/* The HTML report. Nothing here is needed to read it: tables are sorted and searched. */
(function () {
	"use strict";

	function number(cell) {
		const value = parseFloat(cell.textContent);
		return Number.isNaN(value) ? null : value;
	}

	/* Numbers by size, the rest as text. */
	function compare(a, b) {
		const x = number(a), y = number(b);
		return x !== null && y !== null ? x - y : a.textContent.localeCompare(b.textContent);
	}

	function sortBy(table, head, column) {
		const falling = head.getAttribute("aria-sort") !== "descending";
		const rows = Array.from(table.tBodies[0].rows);
		for (const other of table.tHead.rows[0].cells)
			other.removeAttribute("aria-sort");
		head.setAttribute("aria-sort", falling ? "descending" : "ascending");
		rows.sort((a, b) => (falling ? -1 : 1) * compare(a.cells[column], b.cells[column]));
		table.tBodies[0].append(...rows);
	}

	function makeSortable(table) {
		Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
			const button = document.createElement("button");
			button.type = "button";
			button.textContent = head.textContent;
			button.addEventListener("click", () => sortBy(table, head, column));
			head.replaceChildren(button);
		});
	}

	function makeSearchable(table) {
		const label = document.createElement("label");
		const input = document.createElement("input");
		const count = document.createElement("span");
		const tools = document.createElement("p");
		input.type = "search";
		count.setAttribute("role", "status");
		label.append("Search: ", input);
		tools.className = "tools";
		tools.append(label, " ", count);
		input.addEventListener("input", () => {
			const wanted = input.value.toLowerCase();
			let shown = 0;
			for (const row of table.tBodies[0].rows) {
				row.hidden = !row.textContent.toLowerCase().includes(wanted);
				shown += row.hidden ? 0 : 1;
			}
			count.textContent = wanted ? shown + " of " + table.tBodies[0].rows.length : "";
		});
		table.closest(".scroll").before(tools);
	}

	/* On paper nothing can be opened. */
	function openForPrint() {
		for (const details of document.querySelectorAll("details"))
			details.open = true;
	}

	for (const table of document.querySelectorAll("table.maps")) {
		makeSortable(table);
		if (table.tBodies[0].rows.length > 5)
			makeSearchable(table);
	}
	window.addEventListener("beforeprint", openForPrint);
})();
