// SPDX-License-Identifier: MIT
// screen.js - a terminal's screen as a picture: reads what `tmux capture-pane -pe` prints on
// stdin, writes an SVG to stdout.
//
//	tmux capture-pane -pe | node tests/screen.js COLUMNS >screen.svg
//
// Model: a row is a list of runs of one look. Each run is drawn with the width that it had on the
// terminal (textLength), so that the picture does not depend on the font that is there. Of the
// escape sequences tmux prints only "select graphic rendition"; another one is an error.
'use strict';

const CELL = { width: 9, height: 18 };
const PAD = 12;
const INK = '#d8dee9', PAPER = '#1e222a';
const BASIC = ['#3b4252', '#e06c75', '#98c379', '#e5c07b', '#61afef', '#c678dd', '#56b6c2', '#d8dee9',
	'#5c6370', '#ef7a85', '#a9d48a', '#f0cf8f', '#75bdf5', '#d48ae8', '#6ac7d3', '#ffffff'];

// One of xterm's 256 colours.
function colour(n) {
	if (n < 16)
		return BASIC[n];
	const level = (i) => (i === 0 ? 0 : 55 + 40 * i);
	const rgb = n < 232 ? [n - 16].flatMap((c) => [level(Math.floor(c / 36)),
		level(Math.floor(c / 6) % 6), level(c % 6)]) : Array(3).fill(8 + 10 * (n - 232));
	return '#' + rgb.map((c) => c.toString(16).padStart(2, '0')).join('');
}

function plain() {
	return { ink: null, paper: null, bold: false, dim: false, underline: false, reverse: false };
}

// What one sequence of numbers makes of a look.
function apply(look, numbers) {
	for (let i = 0; i < numbers.length; i++) {
		const n = numbers[i];
		if (n === 0) Object.assign(look, plain());
		else if (n === 1) look.bold = true;
		else if (n === 2) look.dim = true;
		else if (n === 4) look.underline = true;
		else if (n === 7) look.reverse = true;
		else if (n === 22) look.bold = look.dim = false;
		else if (n === 24) look.underline = false;
		else if (n === 27) look.reverse = false;
		else if (n >= 30 && n <= 37) look.ink = colour(n - 30);
		else if (n >= 90 && n <= 97) look.ink = colour(n - 82);
		else if (n >= 40 && n <= 47) look.paper = colour(n - 40);
		else if (n >= 100 && n <= 107) look.paper = colour(n - 92);
		else if (n === 39) look.ink = null;
		else if (n === 49) look.paper = null;
		else if ((n === 38 || n === 48) && numbers[i + 1] === 5) {
			look[n === 38 ? 'ink' : 'paper'] = colour(numbers[i + 2]);
			i += 2;
		} else throw new Error(`graphic rendition ${n} is not known here`);
	}
}

// [{col, text, look}]; the look goes on from row to row, as tmux prints it.
function runs(line, look) {
	const found = [];
	let col = 0;
	for (const part of line.split(/(\x1b\[[0-9;]*m)/)) {
		const sequence = /^\x1b\[([0-9;]*)m$/.exec(part);
		if (sequence) {
			apply(look, sequence[1].split(';').map(Number));
		} else if (part) {
			if (/[\x00-\x1f\x7f]/.test(part))
				throw new Error('a control character that is no graphic rendition');
			found.push({ col, text: [...part], look: { ...look } });
			col += [...part].length;
		}
	}
	return found;
}

function escape(text) {
	return text.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]);
}

function drawRun(run, row) {
	const { look } = run;
	const ink = look.ink || INK, paper = look.paper || PAPER;
	const [front, back] = look.reverse ? [paper, ink] : [ink, paper];
	const x = PAD + run.col * CELL.width, y = PAD + row * CELL.height;
	const width = run.text.length * CELL.width;
	let out = '';
	if (back !== PAPER)
		out += `<rect x="${x}" y="${y}" width="${width}" height="${CELL.height}" fill="${back}"/>`;
	if (look.underline)
		out += `<rect x="${x}" y="${y + CELL.height - 1.5}" width="${width}" height="1" fill="${front}"/>`;
	// Blanks need no text; each word keeps its place.
	for (const word of run.text.join('').matchAll(/[^ ]+/g)) {
		const at = [...run.text.join('').slice(0, word.index)].length;
		const length = [...word[0]].length;
		out += `<text x="${x + at * CELL.width}" y="${y + 13.5}" fill="${front}" ` +
			`textLength="${length * CELL.width}" lengthAdjust="spacingAndGlyphs"` +
			`${look.bold ? ' font-weight="bold"' : ''}${look.dim ? ' opacity="0.55"' : ''}>` +
			`${escape(word[0])}</text>`;
	}
	return out;
}

function picture(text, columns) {
	const lines = text.replace(/\n$/, '').split('\n');
	const width = columns * CELL.width + 2 * PAD, height = lines.length * CELL.height + 2 * PAD;
	const look = plain();
	const rows = lines.map((line, row) => runs(line, look).map((run) => drawRun(run, row)).join(''));
	return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" ` +
		`width="${width}" height="${height}" font-size="14.5" xml:space="preserve" ` +
		`font-family="DejaVu Sans Mono, Menlo, Consolas, monospace">\n` +
		`<rect width="${width}" height="${height}" rx="8" fill="${PAPER}"/>\n` +
		rows.filter((row) => row).join('\n') + '\n</svg>\n';
}

process.stdout.write(picture(require('fs').readFileSync(0, 'utf8'), Number(process.argv[2] || 80)));
