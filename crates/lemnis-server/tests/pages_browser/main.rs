//! The pages in a real browser, over the real router and a real SQLite store.
//!
//! Where Chromium or its driver is not installed, the test says so in one line and passes.

mod driver;
mod seed;
mod tracking;

use std::sync::Arc;
use std::time::Duration;

use fantoccini::{Client, Locator};
use lemnis_core::{Event, Principal};
use lemnis_server::{Access, Server};

use driver::{Browser, Problem};

const PAGES: [&str; 16] = [
    "/",
    "/data",
    "/experiments",
    "/runs",
    "/experiments/0/importance?metric=roc_auc",
    "/runs/SEEDED",
    "/compare?runs=SEEDED",
    "/models",
    "/models/churn",
    "/models/churn/versions/2",
    "/endpoints",
    "/endpoints/churn",
    "/flows",
    "/events",
    "/why/churn",
    "/runs/no-such-run",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages_work_in_a_browser() -> Result<(), Problem> {
    let Some(browser) = Browser::start().await? else {
        println!("skipped: chromium and chromedriver are not on this machine");
        return Ok(());
    };
    let project = tempfile::tempdir()?;
    let app = seed::project(project.path()).await?;
    let server = Server {
        app: app.clone(),
        principal: Arc::new(Principal::local("ada")),
        instance: Arc::from("test"),
        directory: Arc::from(project.path()),
    };
    let router = lemnis_server::router(server, Access::default());
    seed::traffic(&router).await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let base = format!("http://{}", listener.local_addr()?);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(lemnis_server::serve(listener, router, 64, async {
        stopped.await.ok();
    }));

    let outcome = walk(&browser, &base, &app).await;
    browser.stop().await;
    stop.send(()).ok();
    outcome?;
    serving.abort();
    Ok(())
}

async fn walk(browser: &Browser, base: &str, app: &lemnis_app::App) -> Result<(), Problem> {
    let client = &browser.client;
    from_overview_to_a_run(client, base).await?;
    runs_are_sorted_and_filtered(client, base).await?;
    the_model_shows_its_gate(client, base).await?;
    tracking::many_runs_scroll(client, base, app).await?;
    tracking::chosen_runs_are_compared(client, base).await?;
    tracking::a_fault_is_pointed_at(client, base).await?;
    tracking::versions_are_shown_and_compared(client, base).await?;
    the_endpoint_shows_drift(client, base).await?;
    an_open_overview_stays_fresh(client, base, app).await?;
    let complaints = browser.complaints().await?;
    assert!(complaints.is_empty(), "the console complains: {complaints:#?}");
    tracking::a_logged_page_is_shut_off(client, base, app).await?;
    // What the shut-off page was refused is on the console, as it should be.
    browser.complaints().await?;
    let seeded = tracking::long_values(app).await?;
    nothing_scrolls_sideways(browser, base, &seeded).await
}

async fn from_overview_to_a_run(client: &Client, base: &str) -> Result<(), Problem> {
    client.goto(base).await?;
    assert_eq!(texts(client, ".loop-map .station .name").await?.len(), 9);
    let monitor = client
        .find(Locator::Css(".loop-map .station.attention[aria-label^=monitor]"))
        .await?
        .attr("aria-label")
        .await?;
    assert!(
        monitor.unwrap_or_default().starts_with("monitor: attention, drift"),
        "the monitor raises its voice"
    );
    client.find(Locator::LinkText("Runs")).await?.click().await?;
    client.find(Locator::LinkText("patient-owl-1")).await?.click().await?;
    let tiles = texts(client, ".tiles dd").await?;
    assert!(tiles.contains(&"0.8464".to_owned()), "metrics are shown: {tiles:?}");
    assert_eq!(texts(client, ".plot .legend .key").await?.len(), 2, "both loss curves share a chart");
    let artifact =
        client.find(Locator::LinkText("model/MLmodel")).await?.attr("href").await?.unwrap_or_default();
    let status = client
        .execute_async(
            "const [path, done] = arguments; fetch(path).then((answer) => done(answer.status)).catch(() => done(0));",
            vec![artifact.into()],
        )
        .await?;
    assert_eq!(status, 200, "artifacts have a page");
    Ok(())
}

async fn runs_are_sorted_and_filtered(client: &Client, base: &str) -> Result<(), Problem> {
    client.goto(&format!("{base}/runs")).await?;
    client.find(Locator::LinkText("roc_auc")).await?.click().await?;
    client.wait().for_element(Locator::Css("th[aria-sort=descending] a[title=metrics]")).await?;
    let best = ["patient-owl-1", "bold-<i>fox</i>-2", "shy-newt-3"];
    assert_eq!(texts(client, "tbody th a").await?, best, "best first, and names are no markup");
    client.wait().for_element(Locator::Css("th[aria-sort=descending] a")).await?.click().await?;
    client.wait().for_element(Locator::Css("th[aria-sort=ascending]")).await?;
    assert_eq!(texts(client, "tbody th a").await?, [best[2], best[1], best[0]]);

    let field = client.find(Locator::Id("filter")).await?;
    field.send_keys("metrics.roc_auc > 0.8 and params.trees = '200'").await?;
    client.find(Locator::Css("form.filter button[type=submit]")).await?.click().await?;
    // The attribute, unlike what was typed, comes with the answer.
    client.wait().for_element(Locator::Css("#filter[value^=metrics]")).await?;
    assert_eq!(texts(client, "tbody th a").await?, ["patient-owl-1"]);

    client.goto(&format!("{base}/runs?filter=metrics.roc_auc%20%3E")).await?;
    let told = client.find(Locator::Css("[role=alert]")).await?.text().await?;
    assert!(!told.is_empty(), "a broken filter is told");
    Ok(())
}

async fn the_model_shows_its_gate(client: &Client, base: &str) -> Result<(), Problem> {
    client.goto(&format!("{base}/models")).await?;
    client.find(Locator::LinkText("churn")).await?.click().await?;
    let gates = texts(client, ".gate h3").await?;
    assert!(gates[0].contains("not let through version 2 against champion 1"), "{gates:?}");
    assert_eq!(client.find_all(Locator::Css(".gate .interval.attention .rail b")).await?.len(), 1);
    assert!(texts(client, ".checks th").await?.iter().any(|text| text.contains("roc_auc >= 0.75")));
    assert!(texts(client, "tr#v1 td").await?.iter().any(|text| text.contains("@champion")));
    Ok(())
}

async fn the_endpoint_shows_drift(client: &Client, base: &str) -> Result<(), Problem> {
    client.goto(&format!("{base}/endpoints/churn")).await?;
    let shares = texts(client, ".split .arm").await?;
    assert_eq!(shares, ["v1 90 %", "v2 10 %"]);
    assert!(
        !client.find_all(Locator::Css("#drift .dot.alarm")).await?.is_empty(),
        "the drifted check is marked"
    );
    assert!(!client.find_all(Locator::Css("#live .line")).await?.is_empty(), "the live metric is drawn");
    assert!(!client.find_all(Locator::Css("#latency .line")).await?.is_empty(), "latency is drawn");
    assert!(
        !client.find_all(Locator::Css("#f-tenure rect.current")).await?.is_empty(),
        "the drifted feature is drawn"
    );
    assert!(!texts(client, ".sample tbody td").await?.is_empty(), "predictions are listed");
    client.find(Locator::LinkText("Why does it answer so?")).await?.click().await?;
    assert!(texts(client, ".why .kind").await?.len() >= 4, "the chain has its links");
    Ok(())
}

async fn an_open_overview_stays_fresh(
    client: &Client,
    base: &str,
    app: &lemnis_app::App,
) -> Result<(), Problem> {
    client.goto(base).await?;
    let event = Event {
        id: "late".to_owned(),
        at_ms: app.clock.now_ms(),
        actor: "ada".to_owned(),
        kind: "test.finished".to_owned(),
        subject: "endpoint/churn".to_owned(),
        data: serde_json::Value::Null,
    };
    app.events.append(&event).await?;
    let told = Locator::XPath("//span[@class='what' and text()='test.finished']");
    client.wait().at_most(Duration::from_secs(20)).for_element(told).await?;
    Ok(())
}

async fn nothing_scrolls_sideways(browser: &Browser, base: &str, seeded: &str) -> Result<(), Problem> {
    let client = &browser.client;
    let mut grounds = Vec::new();
    for (width, height, scheme) in
        [(360, 740, "dark"), (360, 740, "light"), (820, 1100, "light"), (1440, 900, "dark")]
    {
        browser.look(width, height, scheme).await?;
        for page in PAGES.map(|page| page.replace("SEEDED", seeded)) {
            client.goto(&format!("{base}{page}")).await?;
            let measure = "return [document.documentElement.scrollWidth, window.innerWidth]";
            let seen = client.execute(measure, Vec::new()).await?;
            let (content, window) =
                (seen[0].as_i64().unwrap_or(i64::MAX), seen[1].as_i64().unwrap_or_default());
            assert!(content <= window, "{page} is {content} wide in a window of {window}");
            browser
                .shoot(&format!("{width}-{scheme}-{}", page.trim_matches('/').replace(['/', '?', '='], "-")))
                .await?;
        }
        client.goto(base).await?;
        let ground =
            client.execute("return getComputedStyle(document.body).backgroundColor", Vec::new()).await?;
        grounds.push((scheme, ground.to_string()));
    }
    let of = |scheme: &str| grounds.iter().find(|(own, _)| *own == scheme).map(|(_, ground)| ground.clone());
    assert_ne!(of("dark"), of("light"), "the dark scheme has its own colours");
    Ok(())
}

async fn texts(client: &Client, css: &str) -> Result<Vec<String>, Problem> {
    let script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent.trim().replace(/\\s+/g, ' '))";
    let found = client.execute(script, vec![css.into()]).await?;
    Ok(found.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect())
}
