//! The types of Lemnis's own API, as the handlers read and answer them: their schemas follow the code.

use lemnis_app::lineage::{Reproduction, StageRun};
use lemnis_app::model::{Approvals, Approve, Diff, Promote, Promoted, Restored, Rollback, Submitted};
use lemnis_app::monitor::{Check, Checked, Feedback, FeedbackTaken};
use lemnis_app::release::{Deploy, Deployed, RolledBack};
use lemnis_app::retrain::{Collect, Collected};
use lemnis_app::suggest::{Explain, Explained, Suggest, Suggestions};
use lemnis_app::view;
use lemnis_app::why::Why;
use lemnis_quality::Verdict;
use lemnis_tracking::GateReport;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::api::{CompareQuery, CurvesQuery, ListQuery, RunsQuery};

/// Adds a type and what it consists of.
type Add = fn(&mut SchemaGenerator) -> schemars::Schema;

fn add<T: JsonSchema>(generator: &mut SchemaGenerator) -> schemars::Schema {
    generator.subschema_for::<T>()
}

/// What requests carry, with the field that the path fills in.
const REQUESTS: [(&str, &str, Add); 16] = [
    ("Suggest", "experiment", add::<Suggest>),
    ("Explain", "experiment", add::<Explain>),
    ("RunsQuery", "", add::<RunsQuery>),
    ("CompareQuery", "", add::<CompareQuery>),
    ("CurvesQuery", "", add::<CurvesQuery>),
    ("ListQuery", "", add::<ListQuery>),
    ("Promote", "model", add::<Promote>),
    ("Approve", "model", add::<Approve>),
    ("Rollback", "model", add::<Rollback>),
    ("Reproduction", "", add::<Reproduction>),
    ("Deploy", "endpoint", add::<Deploy>),
    ("Check", "endpoint", add::<Check>),
    ("Feedback", "endpoint", add::<Feedback>),
    ("Collect", "endpoint", add::<Collect>),
    ("StageRun", "", add::<StageRun>),
    ("Verdict", "", add::<Verdict>),
];

const ANSWERS: [Add; 27] = [
    add::<view::ExperimentLine>,
    add::<view::Curve>,
    add::<view::Overview>,
    add::<view::RunList>,
    add::<view::RunDetail>,
    add::<view::RunComparison>,
    add::<view::ModelList>,
    add::<view::ModelDetail>,
    add::<view::EndpointList>,
    add::<view::EndpointDetail>,
    add::<view::FlowList>,
    add::<view::EventList>,
    add::<view::VerdictList>,
    add::<Suggestions>,
    add::<Explained>,
    add::<Submitted>,
    add::<GateReport>,
    add::<Approvals>,
    add::<Promoted>,
    add::<Restored>,
    add::<Diff>,
    add::<Deployed>,
    add::<RolledBack>,
    add::<Checked>,
    add::<FeedbackTaken>,
    add::<Collected>,
    add::<Why>,
];

/// The schemas of all of them by name. A type that is read and answered alike is one schema.
pub(super) fn schemas() -> Map<String, Value> {
    let mut requests = SchemaSettings::openapi3().for_deserialize().into_generator();
    for (_, _, add) in REQUESTS {
        add(&mut requests);
    }
    let mut found = requests.take_definitions(true);
    for (name, filled, _) in REQUESTS {
        if let Some(schema) = found.get_mut(name) {
            without(schema, filled);
        }
    }
    let mut answers = SchemaSettings::openapi3().for_serialize().into_generator();
    for add in ANSWERS {
        add(&mut answers);
    }
    let mut answered = answers.take_definitions(true);
    answered.values_mut().for_each(numbers_may_be_null);
    found.extend(answered);
    found.values_mut().for_each(tuples_are_lists);
    found.values_mut().for_each(names_stand_once);
    found
}

/// JSON has no NaN and no infinity: serde writes null.
fn numbers_may_be_null(schema: &mut Value) {
    each(schema, &|fields| {
        if fields.get("type").is_some_and(|kind| kind == "number") {
            fields.insert("nullable".to_owned(), true.into());
        }
    });
}

/// OpenAPI 3.0 knows no tuples: a list of as many items, each of one of the types.
fn tuples_are_lists(schema: &mut Value) {
    each(schema, &|fields| {
        let Some(Value::Array(types)) = fields.get("items") else { return };
        let mut kinds = types.clone();
        kinds.dedup();
        let items = if kinds.len() == 1 { kinds.remove(0) } else { json!({ "anyOf": kinds }) };
        fields.insert("items".to_owned(), items);
    });
}

/// A field that hides one of a flattened part is named by both.
fn names_stand_once(schema: &mut Value) {
    each(schema, &|fields| {
        let Some(Value::Array(names)) = fields.get_mut("required") else { return };
        let mut once = Vec::with_capacity(names.len());
        for name in names.drain(..) {
            if !once.contains(&name) {
                once.push(name);
            }
        }
        *names = once;
    });
}

/// Changes every object below a schema.
fn each(schema: &mut Value, change: &impl Fn(&mut Map<String, Value>)) {
    match schema {
        Value::Object(fields) => {
            fields.values_mut().for_each(|inner| each(inner, change));
            change(fields);
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| each(inner, change)),
        _ => {}
    }
}

/// Takes the field `name` out of an object's schema.
fn without(schema: &mut Value, name: &str) {
    let Some(schema) = schema.as_object_mut() else { return };
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.shift_remove(name);
    }
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|given| given != name);
        if required.is_empty() {
            schema.shift_remove("required");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_fills_in_what_the_body_need_not_say() {
        let schemas = schemas();
        for (name, filled, _) in REQUESTS {
            let schema = schemas.get(name).unwrap_or_else(|| panic!("{name} is a schema"));
            assert!(schema["properties"].get(filled).is_none(), "{name}: {schema}");
        }
        assert_eq!(schemas["Promote"]["required"], json!(["version"]));
        assert_eq!(schemas["Rollback"].get("required"), None);
    }

    #[test]
    fn a_pair_is_a_list_of_two() {
        let facts = &schemas()["Link"]["properties"]["facts"]["items"];
        assert_eq!((&facts["items"]["type"], &facts["maxItems"]), (&json!("string"), &json!(2)));
        let serving = &schemas()["VersionRow"]["properties"]["serving"]["items"]["items"];
        assert_eq!(serving["anyOf"].as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn a_type_that_is_read_and_answered_has_one_schema() {
        let mut requests = SchemaSettings::openapi3().for_deserialize().into_generator();
        REQUESTS.iter().for_each(|(_, _, add)| drop(add(&mut requests)));
        let mut answers = SchemaSettings::openapi3().for_serialize().into_generator();
        ANSWERS.iter().for_each(|add| drop(add(&mut answers)));
        let mut answers = answers.take_definitions(true);
        answers.values_mut().for_each(numbers_may_be_null);
        for (name, schema) in requests.take_definitions(true) {
            assert!(answers.get(&name).is_none_or(|other| *other == schema), "{name} is two types");
        }
    }
}
