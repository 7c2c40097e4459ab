//! Generated run names of the form `adjective-noun-123`.

const ADJECTIVES: [&str; 64] = [
    "able",
    "adorable",
    "amazing",
    "ambitious",
    "bald",
    "beautiful",
    "bold",
    "bouncy",
    "bright",
    "calm",
    "capable",
    "casual",
    "charming",
    "classy",
    "clean",
    "colorful",
    "dapper",
    "dashing",
    "dazzling",
    "debonair",
    "delightful",
    "efficient",
    "enchanting",
    "entertaining",
    "exultant",
    "fearless",
    "flawless",
    "fortunate",
    "fun",
    "funny",
    "gentle",
    "gifted",
    "gregarious",
    "handsome",
    "illustrious",
    "indecisive",
    "intelligent",
    "invincible",
    "judicious",
    "learned",
    "likeable",
    "loud",
    "luminous",
    "masked",
    "melodic",
    "nervous",
    "nimble",
    "orderly",
    "painted",
    "peaceful",
    "placid",
    "polite",
    "popular",
    "powerful",
    "rare",
    "rebellious",
    "resilient",
    "sassy",
    "serious",
    "silent",
    "stately",
    "unique",
    "wise",
    "zealous",
];

const NOUNS: [&str; 64] = [
    "ant", "ape", "asp", "auk", "bass", "bat", "bear", "bee", "bird", "boar", "bug", "calf", "carp", "cat",
    "chimp", "cod", "colt", "conch", "cow", "crab", "crane", "crow", "cub", "deer", "doe", "dog", "dolphin",
    "donkey", "dove", "duck", "eel", "elk", "fawn", "finch", "fish", "fly", "foal", "fowl", "fox", "frog",
    "gnat", "gnu", "goat", "goose", "grouse", "gull", "hare", "hawk", "hen", "hog", "horse", "jay", "kit",
    "kite", "lamb", "lark", "loon", "lynx", "mare", "mink", "mole", "moth", "mouse", "owl",
];

/// A readable name made of 128 random bits, such as `jolly-finch-482`.
fn run_name(random: u128) -> String {
    let adjective = ADJECTIVES[(random & 63) as usize];
    let noun = NOUNS[((random >> 6) & 63) as usize];
    let number = ((random >> 12) & 0xffff_ffff) % 1000;
    format!("{adjective}-{noun}-{number}")
}

/// A readable random name.
pub(crate) fn random() -> String {
    run_name(uuid::Uuid::new_v4().as_u128().rotate_left(40))
}
