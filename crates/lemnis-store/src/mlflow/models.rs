//! Whole logged models and registered models of an MLflow database.

use std::collections::HashMap;

use lemnis_tracking::transfer::{ModelFamily, Record};
use lemnis_tracking::{
    Alias, ExperimentId, Lifecycle, LoggedMetric, LoggedModel, LoggedModelId, LoggedModelStatus,
    ModelVersion, Param, RegisteredModel, RunId, Stage, Tag, rules,
};

use super::schema::Schema;
use crate::sql::{Columns as _, Connection, List, query};
use crate::tracking::Done;

/// The stage of a version that was deleted.
pub(super) const DELETED: &str = "Deleted_Internal";

pub(super) async fn logged(connection: &mut Connection, ids: Vec<String>) -> Done<Vec<Record>> {
    let ids = List(ids);
    let mut models: Vec<LoggedModel> = Vec::new();
    query(
        "SELECT model_id, experiment_id, name, artifact_location, creation_timestamp_ms, last_updated_timestamp_ms, \
         status, COALESCE(lifecycle_stage, 'active'), model_type, source_run_id FROM logged_models \
         WHERE model_id IN (SELECT value FROM json_each(?))",
    )
    .bind(&ids)
    .each(connection, |row| {
        models.push(LoggedModel {
            model_id: row.try_get::<String>(0)?.into(),
            experiment_id: ExperimentId(row.try_get(1)?),
            name: row.try_get(2)?,
            artifact_uri: row.try_get(3)?,
            creation_timestamp: row.try_get(4)?,
            last_updated_timestamp: row.try_get(5)?,
            status: match row.try_get::<i64>(6)? {
                2 => LoggedModelStatus::Ready,
                3 => LoggedModelStatus::UploadFailed,
                _ => LoggedModelStatus::Pending,
            },
            lifecycle_stage: Lifecycle::parse(row.try_get(7)?),
            model_type: row.try_get::<Option<String>>(8)?.filter(|kind| !kind.is_empty()),
            source_run_id: row.try_get::<Option<String>>(9)?.map(RunId::from),
            tags: Vec::new(),
            params: Vec::new(),
            metrics: Vec::new(),
        });
        Ok(())
    })
    .await?;
    let places: HashMap<String, usize> =
        models.iter().enumerate().map(|(place, model)| (model.model_id.as_str().to_owned(), place)).collect();
    query(
        "SELECT model_id, tag_key, tag_value FROM logged_model_tags \
         WHERE model_id IN (SELECT value FROM json_each(?))",
    )
    .bind(&ids)
    .each(connection, |row| {
        let Some(place) = places.get(row.try_get::<&str>(0)?) else { return Ok(()) };
        models[*place].tags.push(Tag::new(row.try_get::<String>(1)?, row.try_get::<String>(2)?));
        Ok(())
    })
    .await?;
    query(
        "SELECT model_id, param_key, param_value FROM logged_model_params \
         WHERE model_id IN (SELECT value FROM json_each(?))",
    )
    .bind(&ids)
    .each(connection, |row| {
        let Some(place) = places.get(row.try_get::<&str>(0)?) else { return Ok(()) };
        models[*place].params.push(Param::new(row.try_get::<String>(1)?, row.try_get::<String>(2)?));
        Ok(())
    })
    .await?;
    query(
        "SELECT model_id, metric_name, metric_value, metric_timestamp_ms, metric_step, run_id, dataset_name, \
         dataset_digest FROM logged_model_metrics WHERE model_id IN (SELECT value FROM json_each(?))",
    )
    .bind(&ids)
    .each(connection, |row| {
        let Some(place) = places.get(row.try_get::<&str>(0)?) else { return Ok(()) };
        models[*place].metrics.push(LoggedMetric {
            key: row.try_get(1)?,
            value: row.try_get::<Option<f64>>(2)?.map_or(f64::NAN, rules::finite),
            timestamp: row.try_get(3)?,
            step: row.try_get(4)?,
            run_id: row.try_get::<String>(5)?.into(),
            dataset_name: row.try_get(6)?,
            dataset_digest: row.try_get(7)?,
        });
        Ok(())
    })
    .await?;
    Ok(models.into_iter().map(|model| Record::LoggedModel(Box::new(model)).sorted()).collect())
}

pub(super) async fn registered(
    connection: &mut Connection,
    schema: &Schema,
    names: Vec<String>,
) -> Done<Vec<Record>> {
    let names = List(names);
    let mut families: HashMap<String, ModelFamily> = HashMap::new();
    let sql = format!(
        "SELECT name, COALESCE(creation_time, 0), COALESCE(last_updated_time, creation_time, 0), description \
         FROM registered_models WHERE {} AND name IN (SELECT value FROM json_each(?))",
        schema.in_workspace("registered_models")
    );
    query(sql)
        .bind(&names)
        .each(connection, |row| {
            let model = RegisteredModel {
                name: row.try_get(0)?,
                creation_timestamp: row.try_get(1)?,
                last_updated_timestamp: row.try_get(2)?,
                description: row.try_get::<Option<String>>(3)?.filter(|text| !text.is_empty()),
                latest_versions: Vec::new(),
                tags: Vec::new(),
                aliases: Vec::new(),
            };
            let family = ModelFamily { model, versions: Vec::new(), deleted: Vec::new() };
            families.insert(family.model.name.clone(), family);
            Ok(())
        })
        .await?;
    versions(connection, schema, &names, &mut families).await?;
    if schema.has_table("registered_model_tags") {
        let sql = format!(
            "SELECT name, key, COALESCE(value, '') FROM registered_model_tags WHERE {} \
             AND name IN (SELECT value FROM json_each(?))",
            schema.in_workspace("registered_model_tags")
        );
        query(sql)
            .bind(&names)
            .each(connection, |row| {
                let Some(family) = families.get_mut(row.try_get::<&str>(0)?) else { return Ok(()) };
                family.model.tags.push(Tag::new(row.try_get::<String>(1)?, row.try_get::<String>(2)?));
                Ok(())
            })
            .await?;
    }
    if schema.has_table("registered_model_aliases") {
        let sql = format!(
            "SELECT name, alias, version FROM registered_model_aliases WHERE {} \
             AND name IN (SELECT value FROM json_each(?))",
            schema.in_workspace("registered_model_aliases")
        );
        query(sql)
            .bind(&names)
            .each(connection, |row| {
                let Some(family) = families.get_mut(row.try_get::<&str>(0)?) else { return Ok(()) };
                family.model.aliases.push(Alias { alias: row.try_get(1)?, version: row.try_get(2)? });
                Ok(())
            })
            .await?;
    }
    Ok(families.into_values().map(|family| Record::Model(Box::new(family)).sorted()).collect())
}

async fn versions(
    connection: &mut Connection,
    schema: &Schema,
    names: &List<String>,
    families: &mut HashMap<String, ModelFamily>,
) -> Done<()> {
    let sql = format!(
        "SELECT name, version, COALESCE(creation_time, 0), COALESCE(last_updated_time, creation_time, 0), description, \
         user_id, COALESCE(current_stage, 'None'), COALESCE(source, ''), {}, run_id, {} FROM model_versions \
         WHERE {} AND name IN (SELECT value FROM json_each(?))",
        schema.or_null("model_versions", "storage_location", "TEXT"),
        schema.or_null("model_versions", "run_link", "TEXT"),
        schema.in_workspace("model_versions"),
    );
    let text = |text: Option<String>| text.filter(|text| !text.is_empty());
    query(sql)
        .bind(names)
        .each(connection, |row| {
            let Some(family) = families.get_mut(row.try_get::<&str>(0)?) else { return Ok(()) };
            let number = row.try_get(1)?;
            let stage: &str = row.try_get(6)?;
            if stage == DELETED {
                family.deleted.push(number);
                return Ok(());
            }
            let source: String = row.try_get(7)?;
            let model_id = source.strip_prefix("models:/").filter(|id| id.starts_with("m-"));
            family.versions.push(ModelVersion {
                name: row.try_get(0)?,
                version: number,
                creation_timestamp: row.try_get(2)?,
                last_updated_timestamp: row.try_get(3)?,
                description: text(row.try_get(4)?),
                user_id: text(row.try_get(5)?),
                current_stage: Stage::parse(stage).unwrap_or_default(),
                model_id: model_id.map(LoggedModelId::from),
                storage_location: text(row.try_get(8)?).filter(|location| *location != source),
                source,
                run_id: text(row.try_get(9)?).map(RunId::from),
                run_link: text(row.try_get(10)?),
                tags: Vec::new(),
                aliases: Vec::new(),
                model_params: Vec::new(),
                model_metrics: Vec::new(),
            });
            Ok(())
        })
        .await?;
    if !schema.has_table("model_version_tags") {
        return Ok(());
    }
    let sql = format!(
        "SELECT name, version, key, COALESCE(value, '') FROM model_version_tags WHERE {} \
         AND name IN (SELECT value FROM json_each(?))",
        schema.in_workspace("model_version_tags")
    );
    query(sql)
        .bind(names)
        .each(connection, |row| {
            let number: u32 = row.try_get(1)?;
            let family = families.get_mut(row.try_get::<&str>(0)?);
            let version =
                family.and_then(|family| family.versions.iter_mut().find(|one| one.version == number));
            if let Some(version) = version {
                version.tags.push(Tag::new(row.try_get::<String>(2)?, row.try_get::<String>(3)?));
            }
            Ok(())
        })
        .await?;
    Ok(())
}
