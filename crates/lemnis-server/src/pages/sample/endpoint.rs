//! An endpoint in the middle of a rollout, with drift.

use lemnis_app::view::*;

use super::{ago, text, texts};

pub(super) fn drift_verdict() -> VerdictRow {
    VerdictRow {
        id: text("drift-1"),
        at: ago(74),
        subject: text("endpoint/churn"),
        href: Some(text("/endpoints/churn")),
        kind: text("drift"),
        outcome: text("drift"),
        state: State::Attention,
        summary: text("6 of 19 features drifted in the newest 500 predictions, most of all tenure <i>"),
    }
}

pub(crate) fn endpoint_row() -> EndpointRow {
    EndpointRow {
        name: text("churn"),
        model: text("churn"),
        state: State::Attention,
        split: vec![
            ArmShare { arm: text("champion"), version: 1, weight_bp: 9000 },
            ArmShare { arm: text("canary"), version: 2, weight_bp: 1000 },
        ],
        requests: 12_841,
        errors: 3,
        p50_us: Some(182),
        p95_us: Some(411),
        rollout: Some(rollout("progressing")),
        drift: Some(drift_verdict()),
        performance: Some(VerdictRow {
            kind: text("performance"),
            outcome: text("pass"),
            state: State::Ok,
            summary: text("roc auc is 0.8301 on 480 labelled predictions"),
            ..drift_verdict()
        }),
    }
}

fn rollout(state: &str) -> RolloutRow {
    let step = |seconds, weight_bp, what: &str, evidence: &str| TransitionRow {
        at: ago(seconds),
        weight_bp,
        what: text(what),
        evidence: text(evidence),
    };
    RolloutRow {
        id: text("r1"),
        from_version: Some(1),
        to_version: 2,
        state: text(state),
        steps: vec![10, 50, 100],
        weight_bp: 1000,
        reason: Some(text("60 of 100 requests of this step answered")),
        history: vec![
            step(60, 0, "started", "gate report gate-churn-2"),
            step(58, 1000, "advanced", ""),
            step(20, 5000, "advanced", "0 errors in 120 requests, p95 0.4 ms against 0.4 ms"),
        ],
    }
}

pub(crate) fn endpoint() -> EndpointDetail {
    let feature = |column: &str, psi: f64, kind: &str| FeatureDrift {
        column: text(column),
        kind: text(kind),
        status: text(if psi > 0.1 { "drift" } else { "ok" }),
        psi: Some(psi),
        test: Some(text(if kind == "numeric" { "ks" } else { "chi2" })),
        statistic: Some(psi * 1.2),
        adjusted_p_value: Some(if psi > 0.1 { 1e-9 } else { 0.41 }),
        null_share_current: if psi > 0.5 { 0.18 } else { 0.0 },
        null_drift: psi > 0.5,
        new_categories: texts(&["Crypto"]),
        bins: if kind == "numeric" {
            (0..10)
                .map(|bin| FeatureBin {
                    label: format!("[{}, {})", bin * 7, bin * 7 + 7),
                    reference: 0.1,
                    current: (0.1 + psi * (f64::from(bin) - 4.5) * -0.04).max(0.0),
                })
                .collect()
        } else {
            [
                ("Electronic check", 0.33, 0.51),
                ("Mailed check", 0.27, 0.2),
                ("Bank transfer", 0.4, 0.2),
                ("Crypto", 0.0, 0.09),
            ]
            .into_iter()
            .map(|(label, reference, current)| FeatureBin { label: text(label), reference, current })
            .collect()
        },
        ..FeatureDrift::default()
    };
    let features = vec![
        feature("tenure", 0.71, "numeric"),
        feature("MonthlyCharges", 0.32, "numeric"),
        feature("PaymentMethod", 0.21, "categorical"),
        feature("TotalCharges", 0.04, "numeric"),
        feature("gender<script>", 0.001, "categorical"),
        FeatureDrift {
            column: text("customerID"),
            kind: text("categorical"),
            status: text("not_computed"),
            reason: Some(text("7043 of 7043 values differ, it looks like an id")),
            ..FeatureDrift::default()
        },
    ];
    let shares = [0.0, 0.05, 0.0, 0.05, 0.11, 0.32, 0.37];
    EndpointDetail {
        row: endpoint_row(),
        arms: vec![
            Arm {
                arm: text("champion"),
                version: 1,
                weight_bp: 9000,
                requests: 12_700,
                errors: 3,
                p50_us: Some(180),
                p95_us: Some(409),
                p99_us: Some(900),
            },
            Arm {
                arm: text("canary"),
                version: 2,
                weight_bp: 1000,
                requests: 141,
                errors: 0,
                p50_us: Some(190),
                p95_us: Some(433),
                p99_us: Some(1200),
            },
        ],
        latency: (0..40)
            .map(|place| LatencyPoint {
                at: ago(4000 - place * 100),
                p50_us: 180.0 + (place as f64 * 0.9).sin() * 14.0,
                p95_us: 400.0 + (place as f64 * 0.7).cos() * 60.0 + if place > 30 { 130.0 } else { 0.0 },
                requests: 50,
            })
            .collect(),
        rollouts: vec![rollout("progressing"), rollout("promoted"), rollout("aborted")],
        drift: shares
            .iter()
            .enumerate()
            .map(|(place, share)| DriftPoint {
                verdict: format!("drift-{place}"),
                at: ago(700 - place as i64 * 100),
                share: *share,
                drifted: (share * 19.0) as usize,
                features: 19,
                outcome: text(if *share > 0.3 { "drift" } else { "pass" }),
                rows: 500,
                summary: format!("{:.0} % of the features drifted", share * 100.0),
            })
            .collect(),
        drift_share_threshold: 0.3,
        psi_threshold: 0.1,
        heat: features
            .iter()
            .filter(|feature| feature.psi.is_some())
            .map(|feature| HeatRow {
                column: feature.column.clone(),
                cells: shares
                    .iter()
                    .map(|share| feature.psi.map(|psi| psi * (share + 0.02) / 0.39))
                    .map(|psi| psi.map(|psi| (psi, psi > 0.1)))
                    .collect(),
            })
            .collect(),
        features,
        live: [0.846, 0.841, 0.838, 0.801]
            .iter()
            .enumerate()
            .map(|(place, value)| LiveMetric {
                verdict: format!("performance-{place}"),
                at: ago(500 - place as i64 * 100),
                metric: text("roc_auc"),
                value: *value,
                expected: Some(0.8464),
                rows: 400,
            })
            .collect(),
        predictions: PredictionSample {
            columns: texts(&[
                "request_id",
                "at",
                "version",
                "status",
                "latency",
                "tenure",
                "out_probability",
            ]),
            rows: (0..6)
                .map(|row| {
                    vec![
                        format!("replay-{row}"),
                        text("14:02:11"),
                        text("2"),
                        text("ok"),
                        text("181 µs"),
                        text("<12>"),
                        text("0.8211"),
                    ]
                })
                .collect(),
            hidden_columns: 17,
        },
    }
}
