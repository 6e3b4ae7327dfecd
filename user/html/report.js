/* The HTML report. Nothing here is needed to read it: tables are sorted and searched. */
(function () {
	"use strict";

	function number(cell) {
		const value = parseFloat(cell.textContent.replaceAll(",", ""));
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

	/* The value of a chart under the pointer, or where the arrow keys went. */
	function makeReadable(plot, starts, length) {
		const values = plot.dataset.values.split(" ");
		const place = plot.closest("figure, tr").querySelector("figcaption, th");
		const readout = document.createElement("output");
		let at = -1;

		function show(index) {
			at = Math.min(Math.max(index, 0), values.length - 1);
			const value = values[at] === "-" ? "not known" : values[at] + " " + plot.dataset.unit;
			readout.textContent = " \u2013 at " + starts[at] + " s: " + value;
		}
		function hide() {
			readout.textContent = "";
		}
		place.append(readout);
		plot.tabIndex = 0;
		plot.addEventListener("pointermove", (event) => {
			const box = plot.getBoundingClientRect();
			const seconds = (event.clientX - box.left) / box.width * length;
			show(starts.findLastIndex((start) => start <= seconds));
		});
		plot.addEventListener("pointerleave", hide);
		plot.addEventListener("blur", hide);
		plot.addEventListener("keydown", (event) => {
			const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
			if (step) {
				show(at + step);
				event.preventDefault();
			}
		});
	}

	/* A click makes a frame as wide as the page, one on the root shows all again. */
	function makeZoomable(flame) {
		const frames = Array.from(flame.children).map((element) => ({
			element,
			x: parseFloat(element.getAttribute("x")),
			width: parseFloat(element.getAttribute("width")),
			y: Number(element.getAttribute("y")),
		}));

		function zoom(to) {
			for (const frame of frames) {
				const above = frame.y < to.y && frame.x <= to.x + 1e-6 &&
					frame.x + frame.width >= to.x + to.width - 1e-6;
				const x = above ? 0 : (frame.x - to.x) / to.width * 100;
				const width = above ? 100 : frame.width / to.width * 100;
				const seen = above || (frame.y >= to.y && x > -1e-3 && x + width < 100.01);
				frame.element.setAttribute("visibility", seen ? "visible" : "hidden");
				frame.element.setAttribute("x", x + "%");
				frame.element.setAttribute("width", width + "%");
			}
		}
		for (const frame of frames)
			frame.element.addEventListener("click", () => zoom(frame));
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
	const axis = document.querySelector("[data-starts]");
	if (axis) {
		const starts = axis.dataset.starts.split(" ").map(Number);
		for (const plot of document.querySelectorAll("[data-values]"))
			makeReadable(plot, starts, Number(axis.dataset.seconds));
	}
	for (const flame of document.querySelectorAll("svg.flame"))
		makeZoomable(flame);
	window.addEventListener("beforeprint", openForPrint);
})();
