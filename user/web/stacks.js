// SPDX-License-Identifier: MIT
/*
 * stacks.js - call stacks as lists of frames, folded. All names in them came out of traced
 * programs.
 */
import { el } from "./charts.js";
import { count, duration, visible } from "./format.js";

function frameText(frame) {
	const where = frame.file ? ` at ${frame.file.split("/").pop()}${frame.line ? `:${frame.line}` : ""}` : "";
	const name = frame.function ?? `${(frame.module ?? "unknown").split("/").pop()}+${frame.offset}`;

	return visible(`${name}${where}`);
}

function headline(stack) {
	const caller = stack.frames.find((frame) => !frame.function?.startsWith("smap_"));

	return `${stack.kind}: ${count(stack.count, "event", "events")}` +
		`${stack.ns ? `, ${duration(stack.ns)}` : ""}${stack.estimate ? ", estimated" : ""}` +
		`${caller ? `, from ${frameText(caller)}` : ""}`;
}

export function stackView(stack) {
	return el("details", { class: "stack" }, el("summary", { text: headline(stack) }),
		stack.frames.length ? el("ol", {}, ...stack.frames.map((frame) => el("li", { text: frameText(frame) })))
			: el("p", { class: "muted", text: "No stack was taken." }));
}

const VIEWS_MAX = 100; // more than a window has: ten of each of eight kinds

/*
 * The stacks of one map, each as of the last window that had it, of more than there is room
 * for those seen last; an opened one stays open.
 */
export class Stacks {
	constructor(into) {
		this.into = into;
		this.views = new Map();
	}

	update(stacks) {
		for (const stack of stacks ?? []) {
			const key = JSON.stringify([stack.kind, stack.frames]);
			const old = this.views.get(key);

			if (old) {
				old.firstChild.textContent = headline(stack);
				this.views.delete(key);
				this.views.set(key, old); // now the latest, where it stands in the page
				continue;
			}
			this.views.set(key, stackView(stack));
			this.into.append(this.views.get(key));
			if (this.views.size > VIEWS_MAX) {
				const [first] = this.views.keys();

				this.views.get(first).remove();
				this.views.delete(first);
			}
		}
	}
}
