"""Batch inference: each line of the input gets its language, one JSON object a line."""

import json

import py3langid

with open("/in/texts.txt", encoding="utf-8") as texts, open("/out/languages.jsonl", "w", encoding="utf-8") as out:
    for count, text in enumerate(texts, 1):
        language, _ = py3langid.classify(text.strip())
        out.write(json.dumps({"line": count, "language": language}) + "\n")
print(f"done: {count} texts")
