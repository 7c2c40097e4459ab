//! The distributions of the Kolmogorov–Smirnov statistic.
//!
//! Sources: Kolmogorov 1933 (limit), Smirnov 1944 and Birnbaum & Tingey 1951 (one-sided, finite n), Pelz & Good 1976
//! (two-sided, series in 1/√n), Marsaglia, Tsang & Wang 2003 (two-sided, exact by matrix power), Hodges 1958 (two-sample,
//! exact by lattice paths), Simard & L'Ecuyer 2011 (which of them where).

use std::f64::consts::PI;

use statrs::function::gamma::ln_gamma;

/// P(K ≥ x) of the limiting distribution.
pub(crate) fn kolmogorov_sf(x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    if x < 1.0 {
        // Jacobi's theta transformation converges fast here.
        let factor = (2.0 * PI).sqrt() / x;
        let sum: f64 =
            (1..=20).map(|k| (-(2.0 * k as f64 - 1.0).powi(2) * PI * PI / (8.0 * x * x)).exp()).sum();
        return 1.0 - factor * sum;
    }
    let mut sum = 0.0;
    let mut sign = 1.0;
    for k in 1..=100 {
        let term = (-2.0 * (k as f64 * x).powi(2)).exp();
        sum += sign * term;
        if term < 1e-300 || term < sum.abs() * 1e-17 {
            break;
        }
        sign = -sign;
    }
    (2.0 * sum).clamp(0.0, 1.0)
}

/// P(D ≥ d) of the two-sided one-sample statistic of `n` values.
pub(crate) fn kstwo_sf(n: f64, d: f64) -> f64 {
    let t = n * d;
    if t <= 0.5 {
        return 1.0;
    }
    if d >= 1.0 {
        return 0.0;
    }
    if t <= 1.0 {
        return 1.0 - (ln_gamma(n + 1.0) + n * (2.0 * d - 1.0 / n).ln()).exp();
    }
    if t >= n - 1.0 {
        return 2.0 * (1.0 - d).powf(n);
    }
    if n * d * d >= 2.2 || d >= 0.5 {
        return (2.0 * smirnov_sf(n, d)).min(1.0);
    }
    if n <= 140.0 {
        return 1.0 - marsaglia_tsang_wang(n as usize, d);
    }
    1.0 - pelz_good(n, d)
}

/// P(D⁺ ≥ d) of the one-sided statistic: d Σ C(n,j) (1−d−j/n)^(n−j) (d+j/n)^(j−1), j = 0..⌊n(1−d)⌋.
fn smirnov_sf(n: f64, d: f64) -> f64 {
    let last = (n * (1.0 - d)).floor() as usize;
    let ln_factorial_n = ln_gamma(n + 1.0);
    let mut sum = 0.0;
    for j in 0..=last {
        let j = j as f64;
        let low = 1.0 - d - j / n;
        if low <= 0.0 {
            continue;
        }
        let binomial = ln_factorial_n - ln_gamma(j + 1.0) - ln_gamma(n - j + 1.0);
        sum += (binomial + (n - j) * low.ln() + (j - 1.0) * (d + j / n).ln()).exp();
    }
    (d * sum).min(1.0)
}

/// Pelz & Good's series for P(D < d).
fn pelz_good(n: f64, d: f64) -> f64 {
    let z = n.sqrt() * d;
    let (z2, z4, z6) = (z * z, z.powi(4), z.powi(6));
    let (z8, z10, z7) = (z.powi(8), z.powi(10), z.powi(7));
    let pi2 = PI * PI;
    let half = (PI / 2.0).sqrt();
    let mut k0 = 0.0;
    for k in 1..60 {
        let odd = 2.0 * f64::from(k) - 1.0;
        k0 += (-odd * odd * pi2 / (8.0 * z2)).exp();
    }
    k0 *= (2.0 * PI).sqrt() / z;
    let (mut s1, mut s2, mut s2b, mut s3, mut s3b) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for k in -60..=60 {
        let k = f64::from(k);
        let kh = (k + 0.5).powi(2);
        let eh = (-pi2 * kh / (2.0 * z2)).exp();
        let kk = k * k;
        let ek = (-pi2 * kk / (2.0 * z2)).exp();
        s1 += (pi2 * kh - z2) * eh;
        s2 +=
            (6.0 * z6 + 2.0 * z4 + pi2 * (2.0 * z4 - 5.0 * z2) * kh + pi2 * pi2 * (1.0 - 2.0 * z2) * kh * kh)
                * eh;
        s2b += pi2 * kk * ek;
        s3 += (-30.0 * z6 - 90.0 * z8
            + pi2 * (135.0 * z4 - 96.0 * z6) * kh
            + pi2 * pi2 * (212.0 * z4 - 60.0 * z2) * kh * kh
            + pi2.powi(3) * (5.0 - 30.0 * z2) * kh.powi(3))
            * eh;
        s3b += (3.0 * pi2 * kk * z2 - pi2 * pi2 * kk * kk) * ek;
    }
    let k1 = half / (6.0 * z4) * s1;
    let k2 = half / (72.0 * z7) * s2 - half / (36.0 * z.powi(3)) * s2b;
    let k3 = half / (6480.0 * z10) * s3 + half / (108.0 * z6) * s3b;
    k0 + k1 / n.sqrt() + k2 / n + k3 / n.powf(1.5)
}

/// P(D < d) by the power of a (2k−1)×(2k−1) matrix, with the exponent of ten kept apart.
fn marsaglia_tsang_wang(n: usize, d: f64) -> f64 {
    let t = n as f64 * d;
    let k = t as usize + 1;
    let m = 2 * k - 1;
    let h = k as f64 - t;
    let mut matrix = vec![0.0; m * m];
    for i in 0..m {
        for j in 0..m {
            if i + 1 >= j {
                matrix[i * m + j] = 1.0;
            }
        }
    }
    for i in 0..m {
        matrix[i * m] -= h.powi(i as i32 + 1);
        matrix[(m - 1) * m + i] -= h.powi((m - i) as i32);
    }
    if 2.0 * h - 1.0 > 0.0 {
        matrix[(m - 1) * m] += (2.0 * h - 1.0).powi(m as i32);
    }
    for i in 0..m {
        for j in 0..m {
            if i + 1 > j {
                let mut factorial = 1.0;
                for g in 1..=(i + 1 - j) {
                    factorial *= g as f64;
                }
                matrix[i * m + j] /= factorial;
            }
        }
    }
    let (power, mut exponent) = matrix_power(matrix, m, n);
    let mut s = power[(k - 1) * m + k - 1];
    for i in 1..=n {
        s *= i as f64 / n as f64;
        if s < 1e-140 {
            s *= 1e140;
            exponent -= 140;
        }
    }
    s * 10f64.powi(exponent)
}

fn matrix_power(base: Vec<f64>, m: usize, mut n: usize) -> (Vec<f64>, i32) {
    let mut result: Vec<f64> =
        (0..m * m).map(|place| if place / m == place % m { 1.0 } else { 0.0 }).collect();
    let (mut base, mut base_exponent, mut exponent) = (base, 0, 0);
    while n > 0 {
        if n & 1 == 1 {
            result = multiply(&result, &base, m);
            exponent += base_exponent;
            rescale(&mut result, &mut exponent);
        }
        base = multiply(&base, &base, m);
        base_exponent *= 2;
        rescale(&mut base, &mut base_exponent);
        n >>= 1;
    }
    (result, exponent)
}

fn rescale(matrix: &mut [f64], exponent: &mut i32) {
    if matrix.iter().copied().fold(0.0, f64::max) > 1e140 {
        matrix.iter_mut().for_each(|value| *value *= 1e-140);
        *exponent += 140;
    }
}

fn multiply(a: &[f64], b: &[f64], m: usize) -> Vec<f64> {
    let mut product = vec![0.0; m * m];
    for i in 0..m {
        for k in 0..m {
            let factor = a[i * m + k];
            if factor != 0.0 {
                for j in 0..m {
                    product[i * m + j] += factor * b[k * m + j];
                }
            }
        }
    }
    product
}

/// P(D ≥ d) of the two-sample statistic of `n` and `m` values, and the statistic as the lattice has it.
///
/// f(i,j) = i/(i+j) f(i−1,j) + j/(i+j) f(i,j−1), f = 1 where |i·m − j·n| / gcd reaches h = round(D·lcm). Every term is
/// positive, so small probabilities keep their digits. O(n·m) time, O(n) memory.
pub(crate) fn two_sample_exact(n: usize, m: usize, d: f64) -> (f64, f64) {
    let divisor = gcd(n, m);
    let lcm = (n / divisor) as f64 * m as f64;
    let h = (d * lcm).round() as i64;
    let exact = h as f64 / lcm;
    if h == 0 {
        return (exact, 1.0);
    }
    let (a, b) = ((m / divisor) as i64, (n / divisor) as i64);
    let mut f = vec![0.0f64; n + 1];
    let outside = |i: usize, j: usize| (i as i64 * a - j as i64 * b).abs() >= h;
    for j in 0..=m {
        for i in 0..=n {
            f[i] = if outside(i, j) {
                1.0
            } else if i + j == 0 {
                0.0
            } else {
                let from_left = if i > 0 { i as f64 * f[i - 1] } else { 0.0 };
                let from_below = if j > 0 { j as f64 * f[i] } else { 0.0 };
                (from_left + from_below) / (i + j) as f64
            };
        }
    }
    (exact, f[n].min(1.0))
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_matches_tabled_quantiles() {
        // Smirnov 1948: the 5 % point is 1.3581, the 1 % point 1.6276.
        assert!((kolmogorov_sf(1.3581) - 0.05).abs() < 1e-5);
        assert!((kolmogorov_sf(1.6276) - 0.01).abs() < 1e-5);
    }

    #[test]
    fn both_sides_of_each_switch_agree() {
        for n in [139.0, 500.0, 5_000.0] {
            let d = (2.2f64 / n).sqrt();
            let tail = 2.0 * smirnov_sf(n, d);
            let body = 1.0 - if n <= 140.0 { marsaglia_tsang_wang(n as usize, d) } else { pelz_good(n, d) };
            assert!((tail - body).abs() / tail < 2e-3, "{n}: {tail} {body}");
        }
    }

    #[test]
    fn the_exact_two_sample_tail_of_two_and_two() {
        // Of the six orders of two and two values, two have D = 1.
        let (d, p) = two_sample_exact(2, 2, 1.0);
        assert!((d - 1.0).abs() < 1e-15 && (p - 2.0 / 6.0).abs() < 1e-15);
    }
}
