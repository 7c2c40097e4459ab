//! The port of scorers.

use async_trait::async_trait;
use lemnis_core::Millis;
use lemnis_tracking::scorer::{OnlineScoring, Scorers, no_scorer};
use lemnis_tracking::{Error, ExperimentId, Result, Scorer};

use super::{Done, clause, experiments};
use crate::Store;
use crate::sql::{self, Columns as _, Connection, QueryBuilder, Row, query};

const COLUMNS: &str = "s.scorer_id, s.experiment, s.name, v.version, v.serialized, v.created";

#[async_trait]
impl Scorers for Store {
    async fn register(
        &self,
        experiment: ExperimentId,
        name: &str,
        serialized: &str,
        at_ms: Millis,
    ) -> Result<Scorer> {
        lemnis_tracking::scorer::check(name, serialized)?;
        let (name, serialized) = (name.to_owned(), serialized.to_owned());
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                experiments::active(connection, experiment).await?;
                query(
                    "INSERT INTO scorer (scorer_id, experiment, name) VALUES (?, ?, ?) \
                     ON CONFLICT (experiment, name) DO NOTHING",
                )
                .bind(uuid::Uuid::new_v4().to_string())
                .bind(experiment.0)
                .bind(&name)
                .execute(connection)
                .await?;
                query(
                    "INSERT INTO scorer_version (scorer_id, version, serialized, created) \
                     SELECT s.scorer_id, COALESCE(max(v.version), 0) + 1, ?, ? FROM scorer s \
                     LEFT JOIN scorer_version v ON v.scorer_id = s.scorer_id \
                     WHERE s.experiment = ? AND s.name = ? GROUP BY s.scorer_id",
                )
                .bind(&serialized)
                .bind(at_ms)
                .bind(experiment.0)
                .bind(&name)
                .execute(connection)
                .await?;
                let made = versions(connection, experiment, &name).await?.pop();
                Ok(made.ok_or_else(|| no_scorer(experiment, &name, None))?)
            })
        })
        .await
    }

    async fn latest(&self, experiments: &[ExperimentId]) -> Result<Vec<Scorer>> {
        let experiments = experiments.to_vec();
        self.read::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let mut sql = QueryBuilder::new(format!(
                    "SELECT {COLUMNS} FROM scorer s JOIN scorer_version v ON v.scorer_id = s.scorer_id \
                     JOIN experiment e ON e.id = s.experiment AND e.lifecycle = 'active' \
                     WHERE v.version = (SELECT max(w.version) FROM scorer_version w WHERE w.scorer_id = s.scorer_id)"
                ));
                if !experiments.is_empty() {
                    sql.push(" AND s.experiment IN ");
                    clause::experiments(&mut sql, &experiments);
                }
                sql.push(" ORDER BY s.experiment, s.name");
                let rows = sql.build().fetch_all(connection).await?;
                Ok(rows.iter().map(scorer).collect::<Result<_, _>>()?)
            })
        })
        .await
    }

    async fn versions(&self, experiment: ExperimentId, name: &str) -> Result<Vec<Scorer>> {
        let name = name.to_owned();
        self.read::<_, Error, _>(move |connection| {
            Box::pin(async move {
                experiments::active(connection, experiment).await?;
                versions(connection, experiment, &name).await
            })
        })
        .await
    }

    async fn delete(&self, experiment: ExperimentId, name: &str, version: Option<i64>) -> Result<()> {
        let name = name.to_owned();
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                experiments::active(connection, experiment).await?;
                let found = versions(connection, experiment, &name).await?;
                let Some(first) = found.first() else {
                    return Err(no_scorer(experiment, &name, None).into());
                };
                if let Some(number) = version
                    && !found.iter().any(|scorer| scorer.version == number)
                {
                    return Err(no_scorer(experiment, &name, version).into());
                }
                match version.filter(|_| found.len() > 1) {
                    Some(number) => {
                        query("DELETE FROM scorer_version WHERE scorer_id = ? AND version = ?")
                            .bind(&first.scorer_id)
                            .bind(number)
                            .execute(connection)
                            .await?
                    }
                    // The last version takes the scorer with it.
                    None => {
                        query("DELETE FROM scorer WHERE scorer_id = ?")
                            .bind(&first.scorer_id)
                            .execute(connection)
                            .await?
                    }
                };
                Ok(())
            })
        })
        .await
    }

    async fn set_online(&self, config: &OnlineScoring) -> Result<()> {
        let config = config.clone();
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                query("DELETE FROM online_scoring WHERE scorer_id = ?")
                    .bind(&config.scorer_id)
                    .execute(connection)
                    .await?;
                query(
                    "INSERT INTO online_scoring (config_id, scorer_id, experiment, sample_rate, filter) \
                     VALUES (?, ?, ?, ?, ?)",
                )
                .bind(&config.config_id)
                .bind(&config.scorer_id)
                .bind(config.experiment_id.0)
                .bind(config.sample_rate)
                .bind(&config.filter)
                .execute(connection)
                .await?;
                Ok(())
            })
        })
        .await
    }

    async fn online(&self, scorers: &[String]) -> Result<Vec<OnlineScoring>> {
        let scorers = scorers.to_vec();
        self.read::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let mut sql = QueryBuilder::new(
                    "SELECT config_id, scorer_id, experiment, sample_rate, filter FROM online_scoring \
                     WHERE scorer_id IN ",
                );
                clause::texts(&mut sql, scorers.iter().map(String::as_str));
                let mut found = Vec::new();
                for row in &sql.build().fetch_all(connection).await? {
                    found.push(OnlineScoring {
                        config_id: row.try_get(0)?,
                        scorer_id: row.try_get(1)?,
                        experiment_id: ExperimentId(row.try_get(2)?),
                        sample_rate: row.try_get(3)?,
                        filter: row.try_get(4)?,
                    });
                }
                Ok(found)
            })
        })
        .await
    }
}

fn scorer(row: &Row) -> Result<Scorer, sql::Error> {
    Ok(Scorer {
        scorer_id: row.try_get(0)?,
        experiment_id: ExperimentId(row.try_get(1)?),
        name: row.try_get(2)?,
        version: row.try_get(3)?,
        serialized: row.try_get(4)?,
        created: row.try_get(5)?,
    })
}

async fn versions(connection: &mut Connection, experiment: ExperimentId, name: &str) -> Done<Vec<Scorer>> {
    let rows = query(
        "SELECT s.scorer_id, s.experiment, s.name, v.version, v.serialized, v.created FROM scorer s \
         JOIN scorer_version v ON v.scorer_id = s.scorer_id WHERE s.experiment = ? AND s.name = ? \
         ORDER BY v.version",
    )
    .bind(experiment.0)
    .bind(name)
    .fetch_all(connection)
    .await?;
    Ok(rows.iter().map(scorer).collect::<Result<_, _>>()?)
}
