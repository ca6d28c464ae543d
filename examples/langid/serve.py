"""The same model as a web service: POST /classify gives the language of each line of the body."""

import json

import py3langid
from waitress import serve

MOST_BYTES = 1 << 20


def classify(body):
    """The language of each line that is not empty."""
    lines = [line.strip() for line in body.decode("utf-8").splitlines()]
    return [{"text": line, "language": py3langid.classify(line)[0]} for line in lines if line]


def application(request, start):
    """WSGI: a path for the readiness probe, and one for the model."""

    def answer(status, content):
        start(status, [("Content-Type", "application/json")])
        return [json.dumps(content, ensure_ascii=False).encode() + b"\n"]

    match request["PATH_INFO"], request["REQUEST_METHOD"]:
        case "/healthz", _:
            return answer("200 OK", {"ready": True})
        case "/classify", "POST":
            try:
                return answer("200 OK", classify(request["wsgi.input"].read()))
            except UnicodeDecodeError as error:
                return answer("400 Bad Request", {"error": f"the body is not UTF-8: {error}"})
        case "/classify", _:
            return answer("405 Method Not Allowed", {"error": "POST the text, a line for each answer"})
        case path, _:
            return answer("404 Not Found", {"error": f"there is no {path}; POST to /classify"})


# Loads the model, so that whoever finds the port open is answered at once.
py3langid.classify("")
print("listening on 8080", flush=True)
serve(application, host="127.0.0.1", port=8080, threads=4, max_request_body_size=MOST_BYTES)
