'use strict';
// The word somebody may have meant.

function distance(a, b) {
	let row = Array.from({ length: b.length + 1 }, (_, i) => i);
	for (let i = 1; i <= a.length; i++) {
		const next = [i];
		for (let j = 1; j <= b.length; j++) {
			const change = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
			next.push(Math.min(change, row[j] + 1, next[j - 1] + 1));
		}
		row = next;
	}
	return row[b.length];
}

/** The one of `words` that is most like `word`; undefined where none is much alike. */
function nearest(word, words) {
	let best, least = Math.max(2, Math.floor(word.length / 3)) + 1;
	for (const candidate of words) {
		const d = distance(word.toLowerCase(), candidate.toLowerCase());
		if (d < least)
			[best, least] = [candidate, d];
	}
	return best;
}

/** " (did you mean \"x\"?)", or nothing. */
function hint(word, words) {
	const found = nearest(word, words);
	return found === undefined ? '' : ` (did you mean ${found}?)`;
}

module.exports = { nearest, hint };
