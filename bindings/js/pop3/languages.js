'use strict';
// The languages that are built in.
const English = require('./english');
const Dutch = require('./dutch');

const LanguageName = Object.freeze({ English: 'en', Dutch: 'nl' });

function getLanguage(name) {
	return [English, Dutch].find(({ tag }) => tag === name) ?? null;
}

/** The type of a language; applications give plain objects. */
class Language {}

module.exports = { Language, LanguageName, getLanguage, English, Dutch };
