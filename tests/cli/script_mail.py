#!/usr/bin/env python3
"""infinity.mail with Python's email package as the judge: what one writes the other reads."""
import email.encoders
import email.header
import email.headerregistry
import email.message
import email.mime.text
import email.policy
import email.utils
import hashlib
import json
import os

from harness import expect, main, run

SUBJECTS = ["plain", "", "Grüße aus Köln", "日本語の件名" * 12, "a =?utf-8?Q?fake?= word", "x" * 300,
            "many words " * 40 + "end", "emoji 🎉 and ü", "tab\tinside", "quote \" and \\ back",
            "percent %41 =41 _under_", "trailing é"]
NAMES = ["a.txt", "two words.pdf", "Übergröße.doc", "日本語" * 20 + ".png", "quote\"s;and=more.csv",
         "x" * 110 + ".bin", "per%cent'star*.txt"]
PEOPLE = [("", "a@example.org"), ("Joe Doe", "joe@example.org"), ("Doe, Joe", "j.doe@example.org"),
          ("Jörg Müller", "joerg@example.org"), ("山田太郎", "taro@example.org"),
          ("Back \\ \"slash\"", "b@example.org"), ("", "\"quoted local\"@example.org")]
TEXTS = ["plain\n", "Grüße\n\n.\n..\nFrom here\n--x\n", "no end", "日本語の本文\n" * 50, "x" * 5000 + "\n",
         "trailing blanks  \n\ttabs\t\n", "=3D =\n", ""]


def program(folder, text, **files):
    for name, value in files.items():
        (folder / f"{name}.json").write_text(json.dumps(value))
    (folder / "main.js").write_text(
        "infinity.loadModule('infinity.mail');\n"
        "const read = (name) => JSON.parse(infinity.file.readString(name + '.json'));\n" + text)
    return expect(run(folder, "run", "main.js"), 0).stdout


def parsed(path):
    with open(path, "rb") as file:
        octets = file.read()
    for number, line in enumerate(octets.split(b"\r\n"), 1):
        assert len(line) <= 998 and b"\n" not in line and b"\r" not in line, (path, number)
    head = octets.split(b"\r\n\r\n", 1)[0]
    assert max(head) < 0x80, "the header must be ASCII"
    return email.message_from_bytes(octets, policy=email.policy.default)


def people(value):
    return [(address.display_name, address.addr_spec) for address in value.addresses]


def body_of(message, kind):
    part = message.get_body((kind,))
    return part.get_content().replace("\r\n", "\n").rstrip("\n")


def test_python_reads_fields(folder):
    wanted = [{"subject": subject, "person": PEOPLE[i % len(PEOPLE)]}
              for i, subject in enumerate(SUBJECTS)]
    program(folder, """
        read('wanted').forEach(({ subject, person: [name, address] }, i) => {
            const mail = new infinity.mail();
            mail.subject = subject;
            mail.from = { name, address };
            mail.recipients = read('people').map(([name, address]) => ({ name, address }));
            mail.extendedHeaders = [{ name: 'X-Copy', value: subject }];
            mail.date = Date.UTC(2026, 10, 21, 2, 33, 14);
            mail.saveToFile(i + '.eml');
        });""", wanted=wanted, people=PEOPLE)
    for i, want in enumerate(wanted):
        got = parsed(folder / f"{i}.eml")
        assert got.get("Subject", "") == want["subject"].rstrip(), (got["Subject"], want["subject"])
        assert got.get("X-Copy", "") == want["subject"].rstrip()
        assert people(got["From"]) == [want["person"]], (got["From"], want["person"])
        assert people(got["To"]) == PEOPLE, got["To"]
        assert got["Date"].datetime.isoformat() == "2026-11-21T02:33:14+00:00"
        assert got["Message-ID"] and not got.defects, got.defects


def test_python_reads_texts(folder):
    program(folder, """
        const encodings = [undefined, ...Object.values(infinity.mail.transferEncoding)];
        read('texts').forEach((text, i) => encodings.forEach((contentTransferEncoding, k) => {
            const mail = new infinity.mail();
            const html = '<p>' + text;
            mail.contents = [{ contentType: 'text/plain', text, contentTransferEncoding },
                { contentType: 'text/html', text: html, contentTransferEncoding,
                    charset: 'iso-8859-1' }];
            mail.saveToFile(`${i}-${k}.eml`);
            mail.contents = [{ text, contentTransferEncoding }];
            mail.saveToFile(`${i}-${k}-alone.eml`);
        }));""", texts=TEXTS)
    for i, text in enumerate(TEXTS):
        for k in range(6):
            got = parsed(folder / f"{i}-{k}.eml")
            assert got.get_content_type() == "multipart/alternative"
            assert body_of(got, "plain") == text.rstrip("\n"), (i, k, body_of(got, "plain"))
            assert body_of(got, "html") == ("<p>" + text).rstrip("\n"), (i, k)
            assert body_of(parsed(folder / f"{i}-{k}-alone.eml"), "plain") == text.rstrip("\n")


def test_python_reads_attachments(folder):
    content = bytes(range(256)) * 40
    (folder / "content").write_bytes(content)
    program(folder, """
        const mail = new infinity.mail();
        mail.contents = [{ contentType: 'text/html', text: '<img src="cid:pic@here">' }];
        for (const name of read('names'))
            mail.attach({ file: 'content', name });
        mail.attach({ name: 'qp', contentTransferEncoding: 3, content: new Uint8Array(
            new infinity.stream('content').readBytes(10240)) });
        mail.attach({ name: 'pic.png', content: 'x', contentId: 'pic@here', inline: true });
        mail.attach({ name: 'inner.eml', content: 'Subject: inner\\r\\n\\r\\nx\\r\\n' });
        mail.saveToFile('mail.eml');""", names=NAMES)
    got = parsed(folder / "mail.eml")
    parts = list(got.iter_attachments())
    assert [part.get_filename() for part in parts] == [*NAMES, "qp", "inner.eml"]
    for part in parts[:-1]:
        assert part.get_payload(decode=True) == content, part.get_filename()
        assert part.get_content_disposition() == "attachment" and not part.defects
    assert parts[-1].get_content()["Subject"] == "inner"
    picture = [part for part in got.walk() if part["Content-ID"]]
    assert [(part["Content-ID"], part.get_content_type()) for part in picture] == \
        [("<pic@here>", "image/png")]


# ---- The other way ----

READ = """
const all = [];
for (let i = 0; infinity.file.exists(i + '.eml'); i++) {
    const mail = new infinity.mail(i % 2 === 1);
    mail.loadFromFile(i + '.eml');
    const same = mail.toBytes();
    infinity.file.write(i + '.back', same);
    all.push({ subject: mail.subject, from: infinity.mail.parseAddresses(mail.from),
        to: mail.recipients, text: mail.getTextContent(), html: mail.getHtmlContent(),
        date: mail.date, attachments: mail.attachments.map((one) => ({ name: one.name,
            size: one.size, type: one.contentType,
            hash: infinity.crypto.hash('sha256', one.toBytes()),
            stored: one.storedFilePath === '' ? null
                : infinity.crypto.hash('sha256', new infinity.stream(one.storedFilePath).toBytes()) })) });
    mail.subject = 'changed';
    mail.attach({ name: 'more.txt', content: 'more' });
    mail.saveToFile(i + '.changed');
}
console.writeLn(JSON.stringify(all));
"""


def built(i):
    message = email.message.EmailMessage(policy=email.policy.SMTP)
    message["Subject"] = SUBJECTS[i].strip().replace("\t", " ")
    name, address = PEOPLE[i % len(PEOPLE)]
    local, domain = address.rsplit("@", 1)
    message["From"] = email.headerregistry.Address(name, local.strip('"'), domain)
    message["To"] = "a@example.org, b@example.org"
    message["Date"] = email.utils.format_datetime(email.utils.parsedate_to_datetime(
        "Sat, 21 Nov 2026 03:33:14 +0100"))
    text = TEXTS[i % len(TEXTS)]
    message.set_content(text, cte=[None, "quoted-printable", "base64", None][i % 4])
    if i % 3:
        message.add_alternative("<p>" + text, subtype="html")
    for k in range(i % 4):
        message.add_attachment(os.urandom(5000 * k + i), maintype="application", subtype="x-test",
                               filename=NAMES[(i + k) % len(NAMES)])
    return message


def safe(name):
    return "".join("_" if c in '<>:"|?*' else c for c in name)


def check_attachments(got, message, stored):
    parts = list(message.iter_attachments())
    assert len(got) == len(parts), (got, parts)
    for one, part in zip(got, parts):
        octets = part.get_payload(decode=True)
        want = safe(part.get_filename())
        assert one["name"] == want or len(want.encode()) > 120, (one["name"], want)
        assert one["size"] == len(octets) and one["type"] == "application/x-test"
        assert one["hash"] == hashlib.sha256(octets).hexdigest()
        assert one["stored"] == (one["hash"] if stored else None)


def test_infinity_reads_what_python_writes(folder):
    messages = [built(i) for i in range(len(SUBJECTS))]
    for i, message in enumerate(messages):
        (folder / f"{i}.eml").write_bytes(message.as_bytes())
    got = json.loads(program(folder, READ))
    assert len(got) == len(messages)
    for i, (one, message) in enumerate(zip(got, messages)):
        assert (folder / f"{i}.back").read_bytes() == message.as_bytes(), i
        assert one["subject"] == str(message["Subject"]).strip(), (one["subject"], message["Subject"])
        assert [(a["name"], a["address"]) for a in one["from"]] == people(message["From"])
        assert one["to"] == ["a@example.org", "b@example.org"]
        assert one["date"] == 1795228394000
        text = TEXTS[i % len(TEXTS)].rstrip("\n")
        assert one["text"].replace("\r\n", "\n").rstrip("\n") == text, (i, one["text"])
        assert one["html"].replace("\r\n", "\n").rstrip("\n") == ("<p>" + text if i % 3 else "")
        check_attachments(one["attachments"], message, i % 2 == 1)
        check_changed(folder / f"{i}.changed", message)


def check_changed(path, message):
    """Changed by infinity.mail: the subject and one attachment more, all else as it was."""
    got, old = (email.message_from_bytes(octets, policy=email.policy.default)
                for octets in (path.read_bytes(), message.as_bytes()))
    assert got["Subject"] == "changed" and str(got["From"]) == str(old["From"])
    leaves = [part.get_payload(decode=True) for part in got.walk() if not part.is_multipart()]
    before = [part.get_payload(decode=True) for part in old.walk() if not part.is_multipart()]
    assert leaves[-1] == b"more"
    assert [one.rstrip(b"\r\n") for one in leaves[:-1]] == [one.rstrip(b"\r\n") for one in before]


def test_infinity_reads_other_charsets(folder):
    texts = {"iso-2022-jp": "日本語", "koi8-r": "Привет", "gb2312": "你好", "big5": "你好",
             "euc-kr": "안녕", "windows-1251": "Привет", "iso-8859-15": "10 €", "shift_jis": "日本語",
             "utf-16": "Grüße", "utf-7": "Grüße"}
    for i, (charset, text) in enumerate(texts.items()):
        message = email.mime.text.MIMEText("x")
        message.set_payload(text.encode(charset))
        del message["Content-Transfer-Encoding"]
        email.encoders.encode_base64(message)
        message.set_param("charset", charset)
        message["Subject"] = email.header.Header(text, charset if "utf" not in charset else "utf-8")
        (folder / f"{i}.eml").write_bytes(message.as_bytes())
    got = json.loads(program(folder, READ))
    for one, (charset, text) in zip(got, texts.items()):
        assert one["text"] == text and one["subject"] == text, (charset, one)


main()
