"""Runs bm25s with a stemmer on the questions of `cargo bench --bench documents`. All articles of a language form one
long document, and each question must find its paragraph.

Usage: pip install bm25s PyStemmer && python benches/passages.py FOLDER"""

import gzip
import sys
from pathlib import Path

import bm25s
import Stemmer

LANGUAGES = {"en": "english", "de": "german", "es": "spanish"}
# Number of results examined per question, as in the bench.
MOST = 50


def read(path):
    paragraphs, questions = [], []
    for line in gzip.open(path, "rt", encoding="utf-8"):
        kind, text = line.rstrip("\n").split("\t", 1)
        if kind == "P":
            paragraphs.append(text)
        elif kind != "D":
            questions.append((text, len(paragraphs) - 1))
    return paragraphs, questions


def main():
    folder = Path(sys.argv[1])
    print("bm25s with stemming               recall@5   MRR   questions")
    for language, name in LANGUAGES.items():
        paragraphs, questions = read(folder / f"xquad-{language}.txt.gz")
        stemmer = Stemmer.Stemmer(name)

        def tokens(texts):
            return bm25s.tokenize(texts, stemmer=stemmer, stopwords=None, show_progress=False)

        index = bm25s.BM25()
        index.index(tokens(paragraphs), show_progress=False)
        asked = tokens([question for question, _ in questions])
        found, _ = index.retrieve(asked, k=min(MOST, len(paragraphs)), show_progress=False)
        recall = reciprocal = 0.0
        for places, (_, wanted) in zip(found, questions):
            rank = next((rank for rank, place in enumerate(places) if place == wanted), None)
            if rank is not None:
                recall += rank < 5
                reciprocal += 1 / (rank + 1)
        count = len(questions)
        print(f"  {language} as one document              {recall / count:.3f}   {reciprocal / count:.3f}   {count}")


main()
