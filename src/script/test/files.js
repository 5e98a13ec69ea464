// infinity.file, infinity.directory, infinity.fileName. /work is what the C test calls this folder's
// absolute name.

const { file, directory, fileName, encoding, stream: Stream } = infinity;
const here = infinity.current.data;

// Reading and writing.
{
	const all = Uint8Array.from({ length: 256 }, (_, i) => i);
	check('nothing there', [file.exists('a'), file.remove('a')], [false, false]);
	file.write('a', all);
	check('there', [file.exists('a'), file.size('a'), file.read('a')], [true, 256, all]);
	const text = file.readString('a');
	file.write('b', text);
	check('identity', file.read('b'), all);
	file.writeString('b', text);
	check('identity of strings', file.read('b'), all);
	file.write('b', all.buffer, true);
	check('appended', file.size('b'), 512);
	file.writeString('c', 'new', undefined, true);
	check('appended to nothing', file.readString('c'), 'new');
	file.write('c', '');
	check('empty', [file.read('c'), file.readString('c'), file.size('c')], [new Uint8Array(), '', 0]);
	const age = Date.now() - file.age('c').getTime();
	check('age', file.age('c') instanceof Date && age > -5000 && age < 60000, true);
	check('absolute', file.read(`${here}a`), all);
	check('roundabout', file.exists('./x/../a'), false);
	check('roundabout', file.exists('./../' + fileName.extract(here.slice(0, -1)) + '/a'), true);
	check('removed', [file.remove('a'), file.remove('b'), file.remove('c')], [true, true, true]);
	const large = 'é\udcff'.repeat(1 << 20);
	file.write('large', large);
	check('large', file.readString('large') === large && file.size('large'), 3 << 20);
	file.remove('large');
}

// Encodings and marks.
{
	file.writeString('a', 'ä€', encoding.ansi);
	check('ansi', file.read('a'), Uint8Array.of(0xE4, 0x80));
	check('ansi back', file.readString('a', encoding.ansi), 'ä€');
	const marks = { systemDefault: [0xEF, 0xBB, 0xBF], utf8: [0xEF, 0xBB, 0xBF], unicode: [0xFF, 0xFE],
		bigEndianUnicode: [0xFE, 0xFF], ansi: [], ascii: [], utf7: [0x2B, 0x2F, 0x76, 0x38, 0x2D] };
	for (const [name, mark] of Object.entries(marks)) {
		file.writeString('a', '', encoding[name], false, true);
		check(`mark ${name}`, [...file.read('a')], mark);
		file.writeString('a', 'x', encoding[name], false, true);
		file.writeString('a', 'y', encoding[name], true, true);
		check(`text ${name}`, file.readString('a', encoding[name]), 'xy');
	}
	file.writeString('a', 'x', undefined, false, true);
	check('as it is', file.readString('a'), '\uFEFFx');
	file.writeString('b', 'x', encoding.unicode, true, true);
	check('a mark where nothing was', file.size('b'), 4);
	file.remove('a');
	file.remove('b');
}

// Copying and moving.
{
	file.write('a', '1');
	file.write('b', '2');
	file.copy('a', 'c');
	check('copied', file.readString('c'), '1');
	throws(() => file.copy('a', 'b'), 'EXISTS', 'b');
	throws(() => file.move('a', 'b'), 'EXISTS', 'b');
	check('untouched', [file.readString('a'), file.readString('b')], ['1', '2']);
	file.copy('b', 'a', true);
	check('over it', file.readString('a'), '2');
	file.write('a', '3');
	file.move('a', 'b', true);
	check('moved', [file.exists('a'), file.readString('b')], [false, '3']);
	file.move('b', 'd');
	check('moved', [file.exists('b'), file.readString('d')], [false, '3']);
	file.copy('d', 'd', true);
	check('onto itself', file.readString('d'), '3');
	throws(() => file.copy('none', 'e'), 'NOT_FOUND', 'none');
	throws(() => file.move('none', 'e'), 'NOT_FOUND', 'none');
	throws(() => file.copy('d', 'no/folder'), 'NOT_FOUND', 'no/folder');
	check('no rests', directory.list('.', '.lettermill*'), []);
	file.remove('c');
	file.remove('d');
}

// What is of another kind, or not there.
{
	check('made', [directory.create('dir'), directory.create('dir')], [true, false]);
	check('a directory is no file', [file.exists('dir'), directory.exists('dir')], [false, true]);
	for (const step of [(n) => file.read(n), (n) => file.readString(n), (n) => file.write(n, ''),
		(n) => file.write(n, '', true), (n) => file.copy(n, 'x'), (n) => file.move(n, 'x'),
		(n) => file.size(n), (n) => file.remove(n)])
		throws(() => step('dir'), 'UNSUPPORTED', 'dir');
	for (const step of [(n) => file.read(n), (n) => file.readString(n), (n) => file.size(n),
		(n) => file.age(n), (n) => directory.list(n)])
		throws(() => step('none'), 'NOT_FOUND', 'none');
	file.write('file', 'x');
	throws(() => file.read('file/x'), 'NOT_FOUND', 'file/x');
	throws(() => file.write('file/x', ''), 'NOT_FOUND', 'file/x');
	check('in a file', [file.exists('file/x'), directory.exists('file/x'), file.remove('file/x')],
		[false, false, false]);
	throws(() => directory.list('file'), 'UNSUPPORTED', 'file');
	throws(() => directory.create('file'), 'EXISTS', 'file');
	throws(() => directory.create('file/x'), 'UNSUPPORTED', 'file/x');
	throws(() => directory.remove('file'), 'UNSUPPORTED', 'file');
	throws(() => directory.move('file', 'x'), 'UNSUPPORTED', 'file');
	throws(() => file.read('fifo'), 'UNSUPPORTED', 'fifo');
	throws(() => file.write('fifo', ''), 'UNSUPPORTED', 'fifo');
	throws(() => file.write('fifo', '', true), 'UNSUPPORTED', 'fifo');
	throws(() => file.copy('fifo', 'x'), 'UNSUPPORTED', 'fifo');
	check('a device', file.exists('/dev/null'), true);
	throws(() => file.write('/dev/full', 'x'), 'UNSUPPORTED', '/dev/full');
	file.remove('file');
	directory.remove('dir');
}

// Links: made by the C test. `link` leads to `target/inside`, `dirlink` to `target`, `lost` nowhere.
{
	file.write('link', 'through');
	check('a link is followed', file.readString('target/inside'), 'through');
	check('and stays', directory.list('.', 'link', directory.filter.symLink), ['link']);
	throws(() => file.write('lost', 'x'), 'NOT_FOUND', 'lost');
	throws(() => directory.remove('dirlink', true), 'UNSUPPORTED', 'dirlink');
	directory.create('tree/a/b/c');
	file.write('tree/a/x', 'x');
	file.write('tree/.hidden', 'x');
	file.move('dirlink', 'tree/a/dirlink');
	file.move('lost', 'tree/lost');
	throws(() => directory.remove('tree'), 'UNSUPPORTED', 'tree');
	check('tree', directory.list('tree'), ['.hidden', 'a', 'lost']);
	check('removed', [directory.remove('tree/', true), directory.exists('tree')], [true, false]);
	check('not behind the link', file.readString('target/inside'), 'through');
	check('a link removed', [file.remove('link'), file.exists('target/inside')], [true, true]);
}

// Directories.
{
	check('created', directory.create('d/e/f/'), true);
	check('parents', [directory.exists('d'), directory.exists('d/e'), directory.exists('d/e/f')],
		[true, true, true]);
	check('not there', [directory.remove('none'), directory.remove('none', true)], [false, false]);
	throws(() => directory.remove('d'), 'UNSUPPORTED', 'd');
	directory.move('d/e', 'g');
	check('moved', [directory.list('d'), directory.list('g')], [[], ['f']]);
	throws(() => directory.move('g', 'd'), 'EXISTS', 'd');
	throws(() => directory.move('none', 'h'), 'NOT_FOUND', 'none');
	throws(() => directory.remove('/'), 'DENIED', '/');
	check('the root is there', directory.create('/'), false);
	for (let i = 0; i < 600; i++)
		directory.create(`deep/${'x/'.repeat(i % 100)}`);
	file.write('deep/x/x/x/file', '');
	check('deep', directory.remove('deep', true), true);
	for (let i = 0; i < 500; i++)
		file.write(`g/f/${i}.eml`, '', true);
	check('many', directory.list('g/f').length, 500);
	check('many removed', [directory.remove('g', true), directory.remove('d')], [true, true]);
}

// Lists.
{
	directory.create('list/sub');
	directory.create('list/.dot');
	for (const name of ['a.eml', 'b.eml', 'c.txt', '.hidden', 'ä.eml', 'x[1].eml', '\udcff.eml', 'A.EML'])
		file.write(`list/${name}`, '');
	const list = (...args) => directory.list('list', ...args);
	const { files, directories, hidden, system, readOnly, symLink } = directory.filter;
	check('filter', { ...directory.filter },
		{ none: 0, files: 1, directories: 2, hidden: 4, system: 8, readOnly: 16, symLink: 32 });
	check('all', list(), ['.dot', '.hidden', 'A.EML', 'a.eml', 'b.eml', 'c.txt', 'sub', 'x[1].eml',
		'ä.eml', '\udcff.eml']);
	check('mask', list('*.eml'), ['a.eml', 'b.eml', 'x[1].eml', 'ä.eml', '\udcff.eml']);
	check('one', list('?.eml'), ['a.eml', 'b.eml', 'ä.eml', '\udcff.eml']);
	check('brackets', list('x[1]*'), ['x[1].eml']);
	check('several', list('c*;sub'), ['c.txt', 'sub']);
	check('stars', list('*a*.*e*l*'), ['a.eml']);
	check('none', [list('z*'), list(''), list('a.em')], [[], [], []]);
	check('files', list('*', files).length, 8);
	check('directories', list('*', directories), ['.dot', 'sub']);
	check('both', list('*', files | directories).length, 10);
	check('hidden', list('*', hidden), ['.dot', '.hidden']);
	check('hidden files', list('*', files | hidden), ['.hidden']);
	check('neither', [list('*', system), list('*', readOnly), list('*', symLink)], [[], [], []]);
	check('system', directory.list('.', '*', system), ['fifo']);
	check('read only', directory.list('.', '*', readOnly), ['readonly']);
	const slow = 'a'.repeat(200);
	file.write(`list/${slow}`, '');
	check('a nasty mask', list('a*'.repeat(60) + 'b'), []);
	check('a nasty mask that fits', list('a*'.repeat(60)), [slow]);
	directory.remove('list', true);
}

// Names.
{
	check('extract', ['a/b.c', 'b', '/', '', 'a/'].map(fileName.extract), ['b.c', 'b', '', '', '']);
	check('extractDirectory', ['a/b.c', 'b', '/', '/a', '', 'a/', '/a/b'].map(fileName.extractDirectory),
		['a', '', '/', '/', '', 'a', '/a']);
	check('extension', ['a.eml', 'a.tar.gz', 'a', '.rc', 'a.', 'a.b/c', ''].map(fileName.extension),
		['.eml', '.gz', '', '', '', '', '']);
	check('expand', ['a', './a/../b/', '/x//y/./z/..', '../../../../../..'].map(fileName.expand),
		[`${here}a`, `${here}b`, '/x/y', '/']);
	check('quote', ['a', 'a "b"\\'].map(fileName.quote), ['"a"', '"a \\"b\\"\\\\"']);
	for (const name of ['a', 'a.eml', 'ä €', '.rc', 'x'.repeat(255), 'a b', '[x]', 'console', '\udcff'])
		check(`valid ${name}`, [fileName.isValid(name), fileName.correct(name)], [true, name]);
	const wrong = { '': '_', '.': '_', '..': '_', 'a/b': 'a_b', 'a\\b': 'a_b', 'a\0b': 'a_b', 'a\r\nb': 'a__b',
		'a:b*c?"<>|': 'a_b_c_____', 'a.': 'a', 'a ': 'a', '. .': '_', 'CON': '_CON', 'nul.txt': '_nul.txt',
		'com1': '_com1', '../../etc/passwd': '.._.._etc_passwd' };
	for (const [name, right] of Object.entries(wrong))
		check(`wrong ${name}`, [fileName.isValid(name), fileName.correct(name)], [false, right]);
	for (const name of ['x'.repeat(256), 'é'.repeat(128), '😀'.repeat(100) + '.eml', `a.${'x'.repeat(300)}`,
		`${'x'.repeat(254)}.eml`, `con${'é'.repeat(200)}`, `${'x'.repeat(250)} .${'y'.repeat(20)}`,
		`CON.${'é'.repeat(126)}x`]) {
		check('too long', fileName.isValid(name), false);
		check(`corrected ${name}`, fileName.isValid(fileName.correct(name)), true);
	}
	check('the extension stays', fileName.correct(`${'x'.repeat(300)}.eml`).endsWith('x.eml'), true);
	check('replacement', [fileName.correct('a/b', ''), fileName.correct('a/b', '$&')], ['ab', 'a$&b']);
	for (const value of ['/', '\0', 'a:', '.', ' '])
		throws(() => fileName.correct('a', value), 'RangeError', 'replacement');
}

// Names that are none, and wrong types.
{
	const first = { file: ['exists', 'size', 'age', 'read', 'readString', 'remove', 'write', 'writeString',
		'copy', 'move'],
		directory: ['create', 'exists', 'list', 'move', 'remove'] };
	for (const [owner, members] of Object.entries(first)) {
		for (const member of members) {
			const call = (name) => infinity[owner][member](name, 'x');
			const alone = (name) => infinity[owner][member](name);
			const step = ['write', 'writeString', 'copy', 'move', 'list'].includes(member) ? call : alone;
			wrongTypes(step, ['string'], `infinity.${owner}.${member}: `);
			throws(() => step(''), 'RangeError', `infinity.${owner}.${member}: `);
			throws(() => step('a\0b'), 'RangeError', `infinity.${owner}.${member}: `);
			throws(() => step('x'.repeat(5000)), 'RangeError', `infinity.${owner}.${member}: `);
			throws(() => step('€'.repeat(4000)), 'RangeError');
		}
	}
	for (const member of ['copy', 'move']) {
		wrongTypes((value) => file[member]('readonly', value), ['string'], `infinity.file.${member}: to`);
		wrongTypes((value) => file[member]('readonly', 'b', value), ['undefined', 'boolean'],
			`infinity.file.${member}: overwrite`);
		throws(() => file[member]('readonly', ''), 'RangeError');
	}
	for (const member of ['correct', 'expand', 'extension', 'extract', 'extractDirectory', 'isValid', 'quote'])
		wrongTypes((value) => fileName[member](value), ['string'], `infinity.fileName.${member}: `);
	wrongTypes((value) => fileName.correct('a', value), ['undefined', 'string'], 'replacement');
	wrongTypes((value) => file.write('a', value), ['string'], 'infinity.file.write: data');
	wrongTypes((value) => file.write('a', '', value), ['undefined', 'boolean'], 'infinity.file.write: append');
	wrongTypes((value) => file.writeString('a', value), ['string'], 'infinity.file.writeString: text');
	wrongTypes((value) => file.writeString('a', '', value), ['undefined', 'number', 'string'],
		'infinity.file.writeString: encoding');
	wrongTypes((value) => file.writeString('a', '', 0, value), ['undefined', 'boolean'],
		'infinity.file.writeString: append');
	wrongTypes((value) => file.writeString('a', '', 0, false, value), ['undefined', 'boolean'],
		'infinity.file.writeString: bom');
	wrongTypes((value) => file.readString('a', value), ['undefined', 'number', 'string'],
		'infinity.file.readString: encoding');
	wrongTypes((value) => directory.list('.', value), ['undefined', 'string'], 'infinity.directory.list: mask');
	wrongTypes((value) => directory.list('.', '*', value), ['undefined', 'number'],
		'infinity.directory.list: filter');
	wrongTypes((value) => directory.move('a', value), ['string'], 'infinity.directory.move: to');
	wrongTypes((value) => directory.remove('a', value), ['undefined', 'boolean'],
		'infinity.directory.remove: recursive');
	for (const value of [-1, 64, 1.5, NaN])
		throws(() => directory.list('.', '*', value), 'RangeError', 'infinity.directory.list: filter');
	check('nothing was written', file.remove('a'), false);
	const freed = new Stream();
	freed.free();
	throws(() => file.write('a', freed), 'TypeError', 'was freed');
	check('nothing was written', file.exists('a'), false);
}

return String(checks > 500);
