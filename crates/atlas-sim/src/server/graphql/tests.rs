//! Documents as clients write them.

use serde_json::{Map, Value, json};

use super::parser::{Field, parse};
use super::project;

fn fields(document: &str) -> Vec<Field> {
    parse(document, &Map::new()).unwrap().fields
}

#[test]
fn what_the_python_sdk_writes_is_read() {
    let fields = fields(
        r#"
        mutation {
          podFindAndDeployOnDemand(
            input: {
              name: "a \"quoted\" name", cloudType: ALL, startSsh: true, gpuCount: 1, dataCenterId: null,
              env: [{ key: "A", value: "1" }, { key: "B", value: "x y" }], allowedCudaVersions: ["12.8"]
            }
          ) { id machine { podHostId } }
        }"#,
    );
    let input = fields[0].input();
    assert_eq!(input["name"], "a \"quoted\" name");
    assert_eq!(input["cloudType"], "ALL");
    assert_eq!(input["dataCenterId"], Value::Null);
    assert_eq!(input["env"], json!([{ "key": "A", "value": "1" }, { "key": "B", "value": "x y" }]));
    assert_eq!(fields[0].fields[1].fields[0].name, "podHostId");
}

#[test]
fn aliases_variables_comments_and_nested_arguments_are_read() {
    let variables = json!({ "input": { "podId": "abc" } });
    let document = "query Q($input: PodFilter!) { # one\n mine: pod(input: $input) { id } gpuTypes { lowestPrice(input: {gpuCount: 2}) { stockStatus } } }";
    let parsed = parse(document, variables.as_object().unwrap()).unwrap();
    assert!(!parsed.is_mutation);
    assert_eq!((&*parsed.fields[0].alias, &*parsed.fields[0].name), ("mine", "pod"));
    assert_eq!(parsed.fields[0].input()["podId"], "abc");
    assert_eq!(parsed.fields[1].fields[0].input()["gpuCount"], 2);
}

#[test]
fn what_is_no_document_is_an_error_and_never_a_panic() {
    for document in
        ["", "{", "query", "mutation {", "{ pod(input: {podId: \"x) { id } }", "{ a(b: ) }", "{ ...F }", "§"]
    {
        assert!(parse(document, &Map::new()).is_err(), "{document}");
    }
}

#[test]
fn only_what_is_asked_for_is_answered_and_what_is_not_there_is_an_error() {
    let whole =
        json!({ "id": "a", "runtime": null, "machine": { "name": "m", "price": 1 }, "ports": [{ "ip": "i", "x": 1 }] });
    let asked = fields("{ id runtime { ports } what: machine { name } ports { ip } }");
    let shown = project(&whole, &asked, "Pod").unwrap();
    assert_eq!(shown, json!({ "id": "a", "runtime": null, "what": { "name": "m" }, "ports": [{ "ip": "i" }] }));
    let missing = project(&whole, &fields("{ colour }"), "Pod").unwrap_err();
    assert_eq!(missing, "Cannot query field \"colour\" on type \"Pod\".");
}
