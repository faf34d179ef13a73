#!/usr/bin/env python3
"""Writes reference/*/NAME.gz: the text that other programs extract from each file in this folder.

Needs poppler-utils, poppler-data, pandoc, and LibreOffice (Debian's packages); the tests need none of them."""
import email
import email.policy
import gzip
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
# Encodings as stated by the files' packages, so that the reference does not depend on encoding detection.
ENCODINGS = {
    "sample-turkish.txt": "cp1254", "sample-hebrew-2.txt": "cp1255", "sample-polish.txt": "utf-8",
    "sample-bulgarian.txt": "utf-8", "sample-russian-3.txt": "utf-8", "sample-korean.txt": "cp949",
    "sample-greek.txt": "cp1253", "sample-arabic-1.txt": "cp1256", "sample-chinese.txt": "big5",
    "sample-french.txt": "utf-8",
    "test_utf16_little.csv": "utf-16-le", "test_latin1.csv": "latin-1",
}


def run(*command):
    return subprocess.run(command, capture_output=True, timeout=120).stdout.decode("utf-8", "replace")


def office(path, to):
    with tempfile.TemporaryDirectory() as folder:
        run("soffice", "--headless", "--convert-to", to, "--outdir", folder, path)
        texts = []
        for name in sorted(os.listdir(folder)):
            made = os.path.join(folder, name)
            texts.append(run("pdftotext", made, "-") if name.endswith(".pdf") else open(made, encoding="utf-8").read())
        return "\n".join(texts)


def pandoc(path, kind):
    return run("pandoc", "--wrap=none", "-f", kind, "-t", "plain", path)


def mail(path):
    message = email.message_from_bytes(open(path, "rb").read(), policy=email.policy.default)
    texts = [f"{name}: {message[name]}" for name in ("From", "To", "Date", "Subject") if message[name]]
    for part in message.walk():
        if part.get_content_type() == "text/plain" or (
            part.get_content_type() == "text/html" and not message.get_body(("plain",))
        ):
            try:
                text = part.get_content()
            except (LookupError, UnicodeError, KeyError):
                continue
            texts.append(re.sub(r"<[^>]+>", " ", text) if part.get_content_type() == "text/html" else text)
    return "\n".join(texts)


def read(path):
    name, end = os.path.basename(path), path.rsplit(".", 1)[-1]
    if end == "pdf":
        return run("pdftotext", path, "-")
    if end in ("docx", "odt", "epub", "html", "rtf"):
        # pandoc drops the character after each \\u in RTF that pandoc itself has written.
        text = "" if name == "debmake-ch03-ja-pandoc.rtf" else pandoc(path, end)
        # pandoc does not read text boxes, strict OOXML, or text in field results; for such files, LibreOffice
        # is used.
        return text if len(text.split()) > 1 or end == "epub" else office(path, "txt:Text (encoded):UTF8")
    if end in ("pptx", "odp"):
        return office(path, "pdf")
    if end in ("xlsx", "ods"):
        return office(path, "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1")
    if end == "eml":
        return mail(path)
    if os.path.dirname(path).endswith("text"):
        return open(path, "rb").read().decode(ENCODINGS.get(name, "utf-8"))
    return ""


def main():
    wanted = sys.argv[1:]
    for folder in ("pdf", "docx", "pptx", "xlsx", "odt", "epub", "rtf", "eml", "html", "text"):
        os.makedirs(os.path.join(HERE, "reference", folder), exist_ok=True)
        for name in sorted(os.listdir(os.path.join(HERE, folder))):
            if wanted and f"{folder}/{name}" not in wanted:
                continue
            try:
                text = read(os.path.join(HERE, folder, name))
            except Exception as why:
                print(folder, name, why)
                continue
            into = os.path.join(HERE, "reference", folder, name + ".gz")
            if text.strip():
                # The archive contains no time and no name, so that the same text results in the same bytes.
                with open(into, "wb") as file, gzip.GzipFile("", "wb", 9, file, 0) as packed:
                    packed.write(text.encode())
            elif os.path.exists(into):
                os.remove(into)
            print(folder, name, len(text.split()))


main()
