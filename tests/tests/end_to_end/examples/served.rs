//! Jobs that are reached while they run: a model as a web service, and a notebook.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{ClientRequestBuilder, Message};

use super::{PATIENCE, Running, client, copy, find_text, reached, world_with};
use crate::newcomer::User;
use crate::world::alone;

#[tokio::test(flavor = "multi_thread")]
async fn a_model_from_pypi_tells_the_languages_of_a_file_and_then_of_whatever_is_sent_to_its_web_service() {
    let Some(world) = world_with(alone("solo"), &["langid"]).await else { return };
    let user = User::funded(&world).await;
    let example = copy(&world, &user, "langid");
    user.done(&["job", "post", "langid/batch.yaml", "--watch", "--output", "out"]).await;
    let languages = find_text(&user.home.join("out"), "languages.jsonl");
    let expected = ["en", "de", "fr", "es", "it", "ru", "ja"];
    let lines: Vec<_> =
        (1..).zip(expected).map(|(n, of)| format!("{{\"line\": {n}, \"language\": \"{of}\"}}\n")).collect();
    assert_eq!(languages, lines.concat());

    let (mut post, job) = Running::post(&user, &["langid/serve.yaml"]).await;
    post.until(|line| line.contains("\"ready\"")).await;
    let told = user.done(&["job", "expose", &job, "web", "--token", "--json"]).await;
    let told: Value = serde_json::from_str(&told).unwrap();
    let [url, token] = ["url", "token"].map(|key| told["ports"][0][key].as_str().unwrap().to_owned());
    let client = client();
    let texts = std::fs::read_to_string(example.join("texts.txt")).unwrap();
    let post_to = |path: &str, body: Vec<u8>| client.post(format!("{url}{path}")).bearer_auth(&token).body(body);
    let stranger = client.post(format!("{url}classify")).body(texts.clone()).send().await.unwrap();
    assert_eq!(stranger.status(), 401);
    // The node hears of its own `ready` a moment after the chain has it; until then a visitor is asked to come again.
    let begun = tokio::time::Instant::now();
    while client.get(format!("{url}classify")).bearer_auth(&token).send().await.unwrap().status() == 503 {
        assert!(begun.elapsed() < PATIENCE, "it never opens");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    // More at a time than it has threads.
    let ask = async || {
        let answer = post_to("classify", texts.clone().into_bytes()).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let answer: Value = answer.json().await.unwrap();
        answer.as_array().unwrap().iter().map(|line| line["language"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for told in futures_util::future::join_all((0..8).map(|_| ask())).await {
        assert_eq!(told, expected);
    }
    for (request, status) in [
        (client.get(format!("{url}classify")).bearer_auth(&token), 405),
        (post_to("other", Vec::new()), 404),
        (post_to("classify", vec![0xff]), 400),
        (post_to("classify", vec![b'x'; 2 << 20]), 413),
    ] {
        assert_eq!(request.send().await.unwrap().status(), status);
    }
    user.done(&["job", "stop", &job]).await;
    assert_eq!(post.ended().await, Some(6), "its buyer stopped it");
    world.stop().await;
}

/// Runs a cell as JupyterLab does, and returns what its notebook keeps as the cell's outputs.
async fn run_cell(address: &str, token: &str, kernel: &str, code: &str) -> Vec<Value> {
    let uri = format!("ws://{address}/api/kernels/{kernel}/channels").parse().unwrap();
    let request = ClientRequestBuilder::new(uri).with_header("Authorization", format!("token {token}"));
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    let header = json!({ "msg_id": "cell-1", "msg_type": "execute_request", "session": "test", "username": "", "version": "5.3",
        "date": "2026-01-01T00:00:00Z" });
    let content = json!({ "code": code, "silent": false, "store_history": true, "user_expressions": {}, "allow_stdin": false,
        "stop_on_error": true });
    let cell = json!({ "header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell", "buffers": [] });
    socket.send(Message::text(cell.to_string())).await.unwrap();
    let mut outputs = Vec::new();
    loop {
        let message =
            tokio::time::timeout(PATIENCE, socket.next()).await.expect("the kernel is silent").unwrap().unwrap();
        let Message::Text(text) = message else { continue };
        let message: Value = serde_json::from_str(&text).unwrap();
        if message["parent_header"]["msg_id"] != "cell-1" {
            continue;
        }
        let mut content = message["content"].clone();
        match message["msg_type"].as_str().unwrap() {
            kind @ ("stream" | "execute_result" | "error") => {
                content["output_type"] = kind.into();
                outputs.push(content);
            }
            "status" if content["execution_state"] == "idle" => return outputs,
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jupyter_runs_a_cell_through_a_forwarded_port_and_the_notebook_that_is_saved_comes_back() {
    let Some(world) = world_with(alone("solo"), &["jupyter"]).await else { return };
    let mut user = User::funded(&world).await;
    copy(&world, &user, "jupyter");
    let token = "0467-a-token-that-nobody-else-sees";
    user.env.push(("JUPYTER_TOKEN", token.to_owned()));
    let (mut post, job) = Running::post(&user, &["jupyter/job.yaml", "--output", "out"]).await;
    post.until(|line| line.contains("\"ready\"")).await;
    let (address, mut forward) = reached(&user, &job, 8888).await;
    let (client, api) = (client(), format!("http://{address}/api"));

    // It is JupyterLab, and of strangers it takes nothing.
    let lab = client.get(format!("http://{address}/lab?token={token}")).send().await.unwrap();
    assert_eq!(lab.status(), 200);
    assert!(lab.text().await.unwrap().contains("jupyter-config-data"));
    for wrong in ["", "token guessed"] {
        let refused = client.post(format!("{api}/kernels")).header("Authorization", wrong).send().await.unwrap();
        assert_eq!(refused.status(), 403);
    }

    let as_user = |request: reqwest::RequestBuilder| request.header("Authorization", format!("token {token}"));
    let kernel: Value = as_user(client.post(format!("{api}/kernels"))).send().await.unwrap().json().await.unwrap();
    let code = "import numpy\nprint(numpy.linalg.det([[2, 1], [7, 5]]).round())\nsum(n * n for n in range(1000))";
    let outputs = run_cell(&address, token, kernel["id"].as_str().unwrap(), code).await;
    assert_eq!(outputs.len(), 2, "{outputs:?}");
    assert_eq!((&outputs[0]["text"], &outputs[1]["data"]["text/plain"]), (&"3.0\n".into(), &"332833500".into()));

    let cell = json!({ "cell_type": "code", "id": "one", "metadata": {}, "execution_count": 1, "source": code, "outputs": outputs });
    let notebook = json!({ "nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell] });
    let file = json!({ "type": "notebook", "format": "json", "content": notebook });
    let saved = as_user(client.put(format!("{api}/contents/squares.ipynb"))).json(&file).send().await.unwrap();
    assert_eq!(saved.status(), 201);
    // File, Shut Down.
    assert_eq!(as_user(client.post(format!("{api}/shutdown"))).send().await.unwrap().status(), 200);
    assert_eq!(post.ended().await, Some(0));
    assert_eq!(forward.ended().await, Some(6));
    let kept: Value = serde_json::from_str(&find_text(&user.home.join("out"), "squares.ipynb")).unwrap();
    // A notebook's file has texts as lists of lines.
    assert_eq!(kept["cells"][0]["outputs"][1]["data"]["text/plain"], json!(["332833500"]));
    // Nor is the token in anything that buyer, node or network keep.
    let found = std::process::Command::new("grep").args(["-rlF", token]).arg(world.market.dir()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
    world.stop().await;
}
