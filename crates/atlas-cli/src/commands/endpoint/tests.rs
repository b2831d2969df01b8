//! Every flag reaches the request, and none is read as something else.

use std::time::Duration;

use clap::Parser;
use serde_json::json;

use super::*;

#[derive(Debug, Parser)]
struct Words {
    #[command(flatten)]
    create: create::Create,
}

fn read(words: &[&str]) -> Result<atlas::runpod::EndpointRequest, String> {
    let words = Words::try_parse_from([&["create"], words].concat()).map_err(|error| error.to_string())?;
    words.create.request().map_err(|failure| failure.error().to_string())
}

#[test]
fn every_flag_reaches_the_request() {
    let request = read(&[
        "--image",
        "me/worker:1",
        "--gpu",
        "l4,a40",
        "--gpu-count",
        "2",
        "--name",
        "thumbs",
        "--registry-auth",
        "r1",
        "--env",
        "KEY=v=1",
        "--execution-timeout",
        "2m",
        "--workers-min",
        "1",
        "--workers-max",
        "5",
        "--idle-timeout",
        "30s",
        "--disk-gb",
        "40",
        "--network-volume",
        "v1",
        "--network-volume",
        "v2",
        "--region",
        "EU-RO-1",
        "--opt",
        "flashboot=\"FLASHBOOT\"",
    ])
    .unwrap();
    assert_eq!((request.image.as_deref(), request.template_id.as_deref()), (Some("me/worker:1"), None));
    assert_eq!((request.gpu, request.gpu_count), (vec!["l4".to_owned(), "a40".to_owned()], 2));
    assert_eq!((request.name.as_deref(), request.registry.as_deref()), (Some("thumbs"), Some("r1")));
    assert_eq!(request.env["KEY"].expose(), "v=1");
    assert_eq!(request.timeout, Duration::from_mins(2));
    let workers = request.workers;
    assert_eq!((workers.min, workers.max, workers.idle_timeout), (1, 5, Duration::from_secs(30)));
    assert_eq!((request.disk_gb, request.network_volumes), (Some(40), vec!["v1".to_owned(), "v2".to_owned()]));
    assert_eq!(request.data_centers, ["EU-RO-1"]);
    assert_eq!(request.provider_opts["flashboot"], json!("FLASHBOOT"));
}

#[test]
fn a_template_stands_for_the_image_and_flavours_for_gpus() {
    let request = read(&["--template", "t1", "--cpu", "cpu3c:2", "--cpu", "cpu5c:4"]).unwrap();
    assert_eq!((request.image, request.template_id.as_deref()), (None, Some("t1")));
    assert_eq!(request.cpu, [("cpu3c".to_owned(), 2), ("cpu5c".to_owned(), 4)]);
    assert!(request.gpu.is_empty());
    assert_eq!((request.workers.min, request.workers.max), (0, 3));
}

#[test]
fn what_cannot_be_right_as_words_is_refused() {
    let image = ["--image", "i"];
    let rows: [(&[&str], &str); 7] = [
        (&["--gpu", "l4"], "--image"),
        (&["--image", "i", "--template", "t", "--gpu", "l4"], "cannot be used with"),
        (&image, "--gpu"),
        (&["--image", "i", "--gpu", "l4", "--cpu", "cpu3c:2"], "cannot be used with"),
        (&["--image", "i", "--cpu", "cpu3c"], "such as cpu3c:2"),
        (&["--image", "i", "--gpu", "l4", "--workers-min", "-1"], "workers-min"),
        (&["--image", "i", "--gpu", "l4", "--env", "KEY"], "NAME=VALUE"),
    ];
    for (words, says) in rows {
        let refused = read(words).unwrap_err();
        assert!(refused.contains(says), "{words:?}: {refused}");
    }
}
