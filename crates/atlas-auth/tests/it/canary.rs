//! C9: nothing that this crate gives out shows a secret, however it is printed or serialised.

use std::fmt::{Debug, Display};

use atlas_auth::{
    BearerToken, KeyPurpose, MasterKey, Sealed, Sealer, Secret, SeededEntropy, SystemClock, SystemEntropy, Timestamp,
    TokenHash, UrlSigner, UrlVerifier,
};

/// 43 characters of base64url, so that it passes for a key everywhere.
const CANARY: &str = "canary-canary-canary-canary-canary-canary-A";

/// All that must not be seen: the canary and what is derived from it.
struct Watch {
    secrets: Vec<String>,
    seen: usize,
}

impl Watch {
    fn hide(&mut self, secret: impl Into<String>) {
        self.secrets.push(secret.into());
    }

    fn text(&mut self, text: &str) {
        for secret in &self.secrets {
            assert!(!text.contains(secret), "{secret} is seen in {text}");
        }
        self.seen += 1;
    }

    fn debug(&mut self, value: impl Debug) {
        self.text(&format!("{value:?}"));
        self.text(&format!("{value:#?}"));
    }

    fn error(&mut self, error: impl Debug + Display) {
        self.text(&error.to_string());
        self.debug(error);
    }
}

#[test]
fn c9_no_secret_is_ever_shown() {
    let mut watch = Watch { secrets: vec![CANARY.to_owned(), "canary".to_owned()], seen: 0 };
    let canary = || Secret::from(CANARY);
    let entropy = SeededEntropy::new(1);

    watch.debug(canary());
    watch.text(&serde_json::to_string(&canary()).unwrap());

    let token = BearerToken::from_secret(canary());
    watch.debug(&token);
    watch.debug(token.header_value());
    watch.debug(token.env());
    watch.error(token.hash());
    watch.text(&serde_json::to_string(&token.hash()).unwrap());
    watch.error(TokenHash::parse(CANARY).unwrap_err());
    watch.error(TokenHash::parse(&format!("{CANARY}{}", "0".repeat(21))).unwrap_err());

    let master = MasterKey::parse(&canary()).unwrap();
    watch.hide(master.derive(KeyPurpose::Signing, "t", 1).expose());
    watch.debug(&master);
    watch.text(&master.check_value());
    watch.debug(master.derive(KeyPurpose::Signing, "t", 1));
    watch.error(MasterKey::parse(&Secret::from("canary")).unwrap_err());
    watch.error(MasterKey::parse(&Secret::from(CANARY.replace('A', "+"))).unwrap_err());

    let sealer = Sealer::from_master(&master, "store");
    let sealed = sealer.seal(&entropy, "row", CANARY.as_bytes());
    watch.hide(format!("{:?}", CANARY.as_bytes()));
    watch.debug(&sealer);
    watch.debug(&sealed);
    watch.text(&serde_json::to_string(&sealed).unwrap());
    watch.debug(sealer.open("row", &sealed).unwrap());
    watch.error(sealer.open("elsewhere", &sealed).unwrap_err());
    watch.error(Sealer::from_master(&master, "other").open("row", &sealed).unwrap_err());
    watch.error(sealer.open("row", &Sealed::from_text(CANARY)).unwrap_err());
    watch.error(sealer.open("row", &Sealed::from_text(format!("v1.{CANARY}"))).unwrap_err());

    let signer = UrlSigner::new("1", canary()).unwrap();
    let verifier = UrlVerifier::new("1", canary()).unwrap().and("2", canary()).unwrap();
    watch.debug(&signer);
    watch.debug(&verifier);
    let signed = signer.sign("GET", "https://h/p?key=canary", Timestamp::from_seconds(10)).unwrap();
    watch.hide(signed.expose().rsplit_once('=').unwrap().1);
    watch.debug(&signed);
    watch.error(verifier.verify("GET", signed.expose(), Timestamp::from_seconds(10)).unwrap_err());
    watch.error(verifier.verify("POST", signed.expose(), Timestamp::EPOCH).unwrap_err());
    watch.error(verifier.verify("GET", &format!("{}x", signed.expose()), Timestamp::EPOCH).unwrap_err());
    let unknown = signed.expose().replace("atlas-key=1", "atlas-key=3");
    watch.error(verifier.verify("GET", &unknown, Timestamp::EPOCH).unwrap_err());
    watch.error(signer.sign("GET", &format!("https://{CANARY}@h/"), Timestamp::EPOCH).unwrap_err());
    watch.error(signer.sign(CANARY, "https://h/", Timestamp::EPOCH).unwrap_err());
    watch.error(UrlSigner::new(format!("{CANARY} "), canary()).unwrap_err());
    watch.error(verifier.clone().and("2", canary()).unwrap_err());

    watch.debug((KeyPurpose::Bearer, SystemClock, SystemEntropy, &entropy, Timestamp::EPOCH));
    #[cfg(feature = "guard")]
    {
        use atlas_auth::GuardLayer;
        use tower::Layer;

        let builder = GuardLayer::builder().bearer(token.hash()).signed_urls(verifier);
        watch.debug(&builder);
        watch.debug(builder.clone().build().unwrap());
        watch.debug(builder.clone().build().unwrap().layer(()));
        watch.error(builder.allow_origin(format!("https://user:{CANARY}@h")).build().unwrap_err());
        watch.error(GuardLayer::builder().build().unwrap_err());
    }
    assert!(watch.seen > 50, "all of it was looked at");
}
