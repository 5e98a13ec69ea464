#!/usr/bin/env python3
"""lettermill store over cloud: stores: every request octet for octet, and services that misbehave."""
import json
import os
import subprocess
import time

from cloud_service import Service, row
from harness import EXE, PATIENCE, Skip, environment, expect, main, run

ENTRY = "select id,status,groupid,messageUTCTimestamp,created,sourceid,guid,size,payload from db.mail "


def store(folder, action, service, *arguments, table="db.mail", **more):
    url = service if isinstance(service, str) else service.url
    return run(folder, "store", action, f"cloud:{url}", *arguments, "--set", f"tablename={table}", **more)


def verbose(*settings):
    return [word for s in ("verbose=true", *settings) for word in ("--set", s)]


def bodies(service):
    return [plain.decode() for *_, plain in service.requests]


def filled(**more):
    service = Service(**more)
    service.rows = [row(7, b"Subject: cloud\r\n\r\nbody, comma\r\n", guid="guid,with comma",
                        messageUTCTimestamp=1447951628), row(8, b"Subject: b\r\n\r\nx\r\n")]
    return service


def test_a_query_is_one_select(folder):
    with filled(token="SECRET") as service:
        done = expect(store(folder, "query", service, "--limit", "2", "--json", "--set", "groupid=5",
                            "--set", "accesstoken=SECRET"), 0)
    got = json.loads(done.stdout)
    assert (got["success"], got["count"], got["totalSize"]) == (True, 2, 31 + 17), got
    assert got["items"][0] == {"name": "7", "sourceid": "src", "guid": "guid,with comma", "size": 31,
                               "messageUTCTimestamp": 1447951628000, "tag": "unread"}
    (path, headers, sent, plain), = service.requests
    name, _, stamp = path.partition("=")
    assert name == "/index.php?randomanticach" and abs(int(stamp) / 1000 - time.time()) < 60, path
    assert headers["Content-Type"] == "text/html", headers
    assert sent == (b"__enc`>`;*bTFDSFU`>`;*btfmfdu!je-tubuvt-hspvqje-nfttbhfVUDUjnftubnq-dsfbufe-"
                    b"tpvsdfje-hvje-tj{f-qbzmpbe!gspn!ec/nbjm!xifsf!tubuvt!>!1!boe!hspvqje!>!6!mjnju!3")
    assert plain.decode() == f"_=_:)aSECRET_=_:)a{ENTRY}where status = 0 and groupid = 5 limit 2"


def test_verbose_takes_the_obfuscation_away(folder):
    with filled() as service:
        expect(store(folder, "query", service, "--limit", "1", *verbose("groupid=5")), 0)
        assert service.requests[0][2].decode() == f"{ENTRY}where status = 0 and groupid = 5 limit 1"


def test_queries_for_rows_tags_and_orders(folder):
    with filled() as service:
        expect(store(folder, "query", service, "--limit", "1", *verbose("itemid=7")), 0)
        expect(store(folder, "query", service, "--tags", "dup", *verbose()), 0)
        expect(store(folder, "query", service, "--tags", "unread,archive", *verbose("orderBy=desc")), 0)
    assert bodies(service) == [
        f"{ENTRY}where id = 7 limit 1", f"{ENTRY}where status = 3 and groupid = 0",
        f"{ENTRY}where status in (0,1) and groupid = 0 order by id desc"]


def test_messages_are_read_and_consumed(folder):
    with filled() as service:
        service.rows.append(row(9, b"\xff\xfe,\x00\r\n"))
        done = subprocess.run([EXE, "store", "read", f"cloud:{service.url}", "9", *verbose("tablename=db.mail")],
                              capture_output=True, env=environment(folder), check=True)
        assert done.stdout == b"\xff\xfe,\x00\r\n"
        service.requests.clear()
        expect(store(folder, "read", service, "7", "--consume", *verbose()), 0)
        assert bodies(service) == ["update db.mail set status = 2 where id = 7 limit 1",
                                   f"{ENTRY}where id = 7 limit 1",
                                   "update db.mail set status = 1 where id = 7 limit 1"]
        assert service.rows[0]["status"] == b"1"
        service.requests.clear()
        expect(store(folder, "mark", service, "8", "pop3failed", *verbose()), 0)
        expect(store(folder, "mark", service, "8", "archive", "--dry-run", *verbose()), 0)
        assert bodies(service) == ["update db.mail set status = 4 where id = 8 limit 1", "select 1"]


def test_names_that_are_no_numbers_never_reach_the_service(folder):
    with filled() as service:
        for name in ("7 or 1=1", "x", "0x7", "7;drop table mail", "9" * 30):
            expect(store(folder, "mark", service, name, "dup"), 67)
            expect(store(folder, "read", service, name), 67)
        assert not service.requests
        expect(store(folder, "read", service, "12345"), 67, "no such message")


def test_adding_is_an_upsert(folder):
    (folder / "a.eml").write_bytes(b"From: a@example.com\r\nSubject: it's \\ one\r\n\r\nbye")
    with Service() as service:
        expect(store(folder, "add", service, "a.eml", "--sourceid", "u@example.com", "--guid", "1",
                     "--metadata", "{}", *verbose()), 0)
        size = os.stat(folder / "a.eml").st_size
        stamp = int(os.stat(folder / "a.eml").st_mtime)
        assert bodies(service) == [
            "insert INTO db.mail (`messageUTCTimestamp`,`sourceid`,`guid`,`size`,`payload`,`metadata`)"
            f"   VALUES \r\n('{stamp}','u@example.com','1','{size}','From: a@example.com\r\nSubject: it''s "
            "\\\\ one\r\n\r\nbye','{}') ON DUPLICATE KEY UPDATE "
            "`messageUTCTimestamp` = VALUES(`messageUTCTimestamp`),`sourceid` = VALUES(`sourceid`),"
            "`guid` = VALUES(`guid`),`size` = VALUES(`size`),`payload` = VALUES(`payload`),"
            "`metadata` = VALUES(`metadata`)"]
        expect(store(folder, "add", service, "a.eml", "--dry-run"), 0, "dry run")
        assert len(service.requests) == len(service.rows) == 1


def test_what_is_added_comes_back_octet_for_octet(folder):
    texts = [bytes(range(256)), b"", b"'", b"\\", b"\\'; drop table mail; --", b"a\r\n.\r\n",
             b"x__QUERY_SEP__drop table mail", b"_=_:)a", "é ∀ 😀\u07ff\ud7ff\uffff".encode(), b"a,b,,c",
             b"__ROW__1,0,0,0,0,s,g,1", b"\x00\xff" * 40000, b"__enc"]
    for number, text in enumerate(texts):
        (folder / f"{number:02}.eml").write_bytes(text)
    files = [f"{n:02}.eml" for n in range(len(texts))]
    for token, settings in ((None, ()), ("t0k3n", ("--set", "accesstoken=t0k3n"))):
        for how in ("true", "false"):
            with Service(token=token) as service:
                settings_now = (*settings, "--set", f"verbose={how}")
                expect(store(folder, "add", service, *files, *settings_now), 0)
                assert [r["payload"] for r in service.rows] == texts
                assert [r["guid"] for r in service.rows] == [f[:2].encode() for f in files]
                for number, text in enumerate(texts, 1):
                    done = subprocess.run(
                        [EXE, "store", "read", f"cloud:{service.url}", str(number), "--set",
                         "tablename=db.mail", *settings_now], capture_output=True, check=True,
                        env=environment(folder))
                    assert done.stdout == text, (number, done.stdout[:60], text[:60])


def test_hostile_guids_are_values_and_nothing_else(folder):
    (folder / "m.eml").write_bytes(b"x\r\n")
    ids = ["' or 1=1 --", "\\", "\\'", "'); drop table mail; --", "a__QUERY_SEP__drop table mail",
           "`", "x'41'", "_=_:)a", "é'", "%s", "\x1b[31m", "__COMMA__"]
    with Service() as service:
        for text in ids:
            expect(store(folder, "add", service, "m.eml", "--guid", text, "--sourceid", text), 0)
        assert [r["guid"].decode() for r in service.rows] == ids
        assert [r["sourceid"].decode() for r in service.rows] == ids
        assert all(plain.startswith(b"insert INTO db.mail (") for *_, plain in service.requests)


def test_many_messages_share_a_request(folder):
    for number in range(40):
        (folder / f"{number:02}.eml").write_bytes(b"Subject: x\r\n\r\n" + b"x" * 100000)
    with Service() as service:
        expect(store(folder, "add", service, *sorted(p.name for p in folder.glob("*.eml"))), 0,
               "40 messages")
        assert len(service.rows) == 40
        assert 3 <= len(service.requests) <= 6, len(service.requests)
        assert b"__QUERY_SEP__insert INTO" in service.requests[0][3]


def says(octets):
    return lambda *_: octets


def test_refusals_and_junk_are_reported(folder):
    for answer, code, words in (
            (b"FAIL: no such table", 75, "no such table"),
            (b"<html>oops</html>", 76, "Unrecognized response from node: <html>oops</html>"),
            (b"\x1b]0;x\x07" + b"A" * 9000, 76, r"Unrecognized response from node: \x1b]0;x\x07AAA"),
            (b"", 76, "Unrecognized response"), (b"SUCCESS: __ROW__1,2", 76, "Unrecognized response"),
            ((500, {}, b"SUCCESS: OK"), 75, "answered 500"), ((403, {}, b""), 77, "answered 403"),
            ((302, {"Location": "http://127.0.0.1:1/"}, b"SUCCESS: OK"), 76, "answered 302")):
        with Service(answer=says(answer)) as service:
            done = expect(store(folder, "query", service, "--json"), code, words)
            assert len(done.stderr) < 400 and "\x1b" not in done.stderr, done.stderr
            told = json.loads(done.stdout)
            assert told["success"] is False and words in told["reason"], told


def test_a_failed_batch_is_a_failed_add(folder):
    for name in ("a", "b"):
        (folder / f"{name}.eml").write_bytes(b"x")
    with Service(answer=says(b"FAIL: read only")) as service:
        expect(store(folder, "add", service, "a.eml", "b.eml"), 75, "read only")


def test_a_silent_service_ends_in_time(folder):
    def sleep(*_):
        time.sleep(5)
        return b"SUCCESS: OK"
    with Service(answer=sleep) as service:
        begin = time.monotonic()
        expect(store(folder, "query", service, "--set", "timeout=1"), 75, "http request error")
        assert time.monotonic() - begin < 4


def test_an_endless_answer_has_a_limit(folder):
    with Service(answer=says(b"SUCCESS: __ROW__" + b"x" * (257 << 20))) as service:
        expect(store(folder, "query", service), 69, "longer than 256 MB")


def test_nobody_there(folder):
    expect(store(folder, "query", "http://127.0.0.1:1/"), 75, "http request error")
    expect(store(folder, "query", "http://no-such-host.invalid/"), 67, "http request error")


def certificates(folder):
    for name, more in (("ca", ("-subj", "/CN=CA")), ("x", ("-subj", "/CN=other"))):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out",
                        f"{name}.pem", "-days", "2", *more, "-addext", "subjectAltName=" +
                        ("IP:127.0.0.1" if name == "ca" else "DNS:other.example")],
                       cwd=folder, check=True, capture_output=True)
    return (folder / "ca.pem", folder / "ca.key"), (folder / "x.pem", folder / "x.key")


def test_certificates_are_verified(folder):
    good, other = certificates(folder)
    with filled(certificate=good) as service:
        expect(store(folder, "query", service, "--set", "groupid=5"), 76, "http request error")
        done = store(folder, "query", service, "--set", "groupid=5", "--set", "cafile=ca.pem")
        assert "2 messages" in expect(done, 0).stdout
    with filled(certificate=other) as service:
        expect(store(folder, "query", service, "--set", "cafile=x.pem"), 76, "http request error")
        assert not service.requests


def test_the_token_is_never_shown(folder):
    token = "t0k3n-s3cr3t"
    for answer in (b"FAIL: no", b"junk", (500, {}, b"")):
        with Service(answer=says(answer)) as service:
            done = store(folder, "query", service, "--json", LETTERMILL_ACCESSTOKEN=token)
            assert token in bodies(service)[0]
            assert token not in done.stdout + done.stderr
    done = store(folder, "query", "http://127.0.0.1:1", "--set", f"accesstoken={token}")
    assert token not in expect(done, 78, "must end with '/'").stderr


def test_a_token_leaves_the_process_list(folder):
    def look(_, plain):
        assert b"t0k3n-s3cr3t" in plain
        found.append(b"t0k3n-s3cr3t" in b"".join(
            open(f"/proc/{pid}/cmdline", "rb").read() for pid in children))
        return b"SUCCESS: OK"
    found, children = [], []
    with Service(answer=look) as service:
        process = subprocess.Popen(
            [EXE, "store", "query", f"cloud:{service.url}", "--set", "tablename=t", "--set",
             "accesstoken=t0k3n-s3cr3t"], env=environment(folder), stdout=subprocess.DEVNULL)
        children.append(process.pid)
        assert process.wait(60) == 0
    assert found == [False]


def test_it_is_a_store_as_all_others(folder):
    suite = os.path.join(os.path.dirname(EXE), "store_mime_test")
    if not os.access(suite, os.X_OK):
        raise Skip("the unit tests are not built")
    with Service() as service:
        done = subprocess.run([suite], env=environment(folder, LM_MIME_URL=f"cloud:{service.url}"),
                              capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(service.requests) > 100


def test_simulation_needs_no_service(folder):
    done = run(folder, "store", "query", "cloud:", "--set", "tablename=t", "--set", "simulate=true", "--json")
    items = json.loads(expect(done, 0).stdout)["items"]
    assert len(items) == 10 and items[0]["sourceid"] == "simulate", items
    (folder / "a.eml").write_bytes(b"x")
    expect(run(folder, "store", "add", "cloud:", "a.eml", "--set", "tablename=t", "--set",
               "simulate=true"), 0)


def test_settings_are_judged(folder):
    expect(run(folder, "store", "query", "cloud:http://127.0.0.1/"), 78,
           "Please specify the tablename for the cloud store.")
    expect(store(folder, "query", "http://127.0.0.1"), 78, "It must end with '/': http://127.0.0.1")
    expect(store(folder, "query", "http://127.0.0.1/", "--set", "groupid=1 or 1"), 78, "groupid")
    expect(store(folder, "query", "http://127.0.0.1/", "--set", "grupid=1"), 78, "did you mean groupid?")
    expect(store(folder, "query", "http://127.0.0.1/", table="a;b"), 78, "tablename")
    expect(store(folder, "query", "file:///etc/"), 78, "http")


main()
