//! Runs in numbers, side by side, and the files that they logged.

use fantoccini::{Client, Locator};
use lemnis_app::App;
use lemnis_tracking::{Batch, ExperimentId, Metric, NewExperiment, NewRun, Param};
use object_store::ObjectStoreExt;

use super::driver::Problem;
use super::texts;

const RUNS: i64 = 450;

/// A table of more runs than the document holds shows its last row after scrolling, and a link shows the place again.
pub async fn many_runs_scroll(client: &Client, base: &str, app: &App) -> Result<(), Problem> {
    let experiment = experiment_of(app, RUNS).await?;
    client.goto(&format!("{base}/experiments")).await?;
    client.find(Locator::LinkText("many")).await?.click().await?;
    client.wait().for_element(Locator::Css("#runs.fixed")).await?;
    assert!(texts(client, ".actions").await?[0].starts_with("450 runs"), "the runs are counted");
    assert_eq!(texts(client, "tbody th a").await?[0], "run-449", "newest first");
    client
        .execute("const box = document.getElementById('runs'); box.scrollTop = box.scrollHeight", vec![])
        .await?;
    client.wait().for_element(Locator::LinkText("run-0")).await?;
    let rows = client.find_all(Locator::Css("#runs tbody tr")).await?.len();
    assert!(rows < 100, "{rows} rows are in the document");
    // The address follows, and leads back.
    let address = "return new URLSearchParams(location.search).get('offset')";
    client.wait().for_element(Locator::Css("#runs tr.space")).await?;
    for _ in 0..50 {
        if client.execute(address, vec![]).await? == "400" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(client.execute(address, vec![]).await?, "400");
    client.refresh().await?;
    client.wait().for_element(Locator::LinkText("run-49")).await?;

    client.goto(&format!("{base}/runs?experiment={experiment}&column=params.lr&column=metrics.loss")).await?;
    let heads = texts(client, "#runs thead th a").await?;
    assert_eq!(heads, ["Run", "Status", "Started", "lr", "loss"], "the chosen columns alone");
    Ok(())
}

/// Runs that are chosen in the table are drawn side by side.
pub async fn chosen_runs_are_compared(client: &Client, base: &str) -> Result<(), Problem> {
    client.goto(&format!("{base}/runs?experiment=0")).await?;
    for name in ["patient-owl-1", "shy-newt-3"] {
        client.find(Locator::Css(&format!("input[aria-label='choose {name}']"))).await?.click().await?;
    }
    client.find(Locator::Id("do-compare")).await?.click().await?;
    client.wait().for_element(Locator::Css("#curves[data-drawn]")).await?;
    let ink = "const [canvas] = arguments; const pen = canvas.getContext('2d'); \
               const seen = pen.getImageData(0, 0, canvas.width, canvas.height).data; \
               let colours = new Set(); \
               for (let at = 0; at < seen.length; at += 4) if (seen[at + 3] > 250) colours.add(`${seen[at]},${seen[at + 1]},${seen[at + 2]}`); \
               return colours.size";
    for canvas in client.find_all(Locator::Css("#curves canvas")).await? {
        let colours = client.execute(ink, vec![serde_json::to_value(canvas)?]).await?;
        assert!(colours.as_i64() >= Some(3), "axes and two curves are drawn: {colours}");
    }
    assert_eq!(client.find_all(Locator::Css("#parallel .pline")).await?.len(), 2);
    assert_eq!(client.find_all(Locator::Css("#scatter .scatter-dot")).await?.len(), 2);
    let visible = "return [...document.querySelectorAll('.side-by-side tbody th.stick')].filter((e) => e.offsetParent).map((e) => e.textContent)";
    let differing = client.execute(visible, vec![]).await?;
    assert_eq!(differing, serde_json::json!(["trees", "roc_auc"]), "only what differs");
    client.execute("document.getElementById('only-differences').click()", vec![]).await?;
    let all = client.execute(visible, vec![]).await?;
    assert!(all.as_array().is_some_and(|names| names.contains(&"seed".into())), "{all}");
    // What is hidden stays hidden for whoever gets the link.
    client.execute("document.querySelector('[data-run]').click()", vec![]).await?;
    client.refresh().await?;
    client.wait().for_element(Locator::Css("#curves[data-drawn]")).await?;
    assert_eq!(client.find_all(Locator::Css("#parallel .pline")).await?.len(), 1);
    Ok(())
}

/// The part of a filter that cannot be read is marked.
pub async fn a_fault_is_pointed_at(client: &Client, base: &str) -> Result<(), Problem> {
    client
        .goto(&format!("{base}/runs?filter=metrics.roc_auc%20%3E%200.5%20and%20params.trees%20%3D%20200"))
        .await?;
    assert_eq!(texts(client, ".fault mark").await?, ["200"]);
    Ok(())
}

/// A version has a page with its gate's reports; two versions have one with what differs.
pub async fn versions_are_shown_and_compared(client: &Client, base: &str) -> Result<(), Problem> {
    client.goto(&format!("{base}/models/churn/versions/2")).await?;
    assert_eq!(texts(client, ".gate h3 .chip").await?, ["not let through"]);
    assert!(texts(client, ".pairs th").await?.contains(&"trees".to_owned()), "the run's params are shown");
    client.find(Locator::Css("form.filter button[type=submit]")).await?.click().await?;
    client.wait().for_element(Locator::Css(".side-by-side")).await?;
    assert_eq!(texts(client, ".side-by-side tbody th").await?, ["digest"], "only the model's bytes differ");
    Ok(())
}

/// A page that a run logged may run its scripts and reaches nothing with them.
pub async fn a_logged_page_is_shut_off(client: &Client, base: &str, app: &App) -> Result<(), Problem> {
    let run = app.runs.create(&NewRun::new(ExperimentId::DEFAULT, 1)).await?;
    let put = async |name: &str, content: &str| -> Result<(), Problem> {
        let location = lemnis_app::artifact::object_path(&format!("{}/{name}", run.info.artifact_uri))?;
        app.artifacts.put(&location, content.to_owned().into()).await?;
        Ok(())
    };
    put(
        "report.html",
        "<script>let reached = 'nothing'; try { parent.document.title = 'taken'; reached = 'the page' } catch {} \
         fetch('/api/v1/runs').then(() => 'the server', () => 'nothing').then((server) => parent.postMessage(`${reached}, ${server}`, '*'))</script>",
    )
    .await?;
    put("rows.csv", "name,age\n<b>ada</b>,36\nbo,41\n").await?;
    put("deep.json", r#"{"a": {"b": [1, "<i>"]}}"#).await?;
    let page = |file: &str| format!("{base}/runs/{}/artifacts/{file}", run.info.run_id);
    client.goto(&page("report.html")).await?;
    let said = client
        .execute_async(
            "const [done] = arguments; addEventListener('message', (event) => done(`${event.data} from ${event.origin}`)); \
             const frame = document.querySelector('iframe'); frame.src = frame.src;",
            vec![],
        )
        .await?;
    assert_eq!(said, "nothing, nothing from null");
    client.goto(&page("rows.csv")).await?;
    assert_eq!(texts(client, ".preview td").await?, ["<b>ada</b>", "36", "bo", "41"]);
    client.goto(&page("deep.json")).await?;
    assert_eq!(texts(client, ".json code").await?, ["1", "\"<i>\""]);
    Ok(())
}

/// A run with values that no page has room for; returns its id.
pub async fn long_values(app: &App) -> Result<String, Problem> {
    let run = app.runs.create(&NewRun::new(ExperimentId::DEFAULT, 2)).await?.info.run_id;
    let batch = Batch {
        params: vec![Param::new("long", "x".repeat(5_000)), Param::new("p".repeat(200), "short")],
        metrics: vec![Metric::new("loss", 0.5, 1)],
        ..Batch::default()
    };
    app.runs.log(&run, &batch).await?;
    Ok(run.to_string())
}

/// An experiment of its own with `count` runs; returns its id.
async fn experiment_of(app: &App, count: i64) -> Result<ExperimentId, Problem> {
    let new =
        NewExperiment { name: "many".to_owned(), artifact_location: None, tags: Vec::new(), at_ms: 1_000 };
    let id = app.experiments.create(&new).await?.experiment_id;
    for place in 0..count {
        let mut new = NewRun::new(id, 1_000 + place);
        new.run_name = Some(format!("run-{place}"));
        let run = app.runs.create(&new).await?.info.run_id;
        let batch = Batch {
            metrics: vec![Metric::new("loss", place as f64, 1)],
            params: vec![Param::new("lr", place.to_string())],
            ..Batch::default()
        };
        app.runs.log(&run, &batch).await?;
    }
    Ok(id)
}
