//! The choice of variables whose references are resolved.

/// The variables to look at.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct SelectionArguments {
    /// Look for references in these variables only; repeat it, separate names by commas, and use * and ? for parts of
    /// names
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,

    /// Leave these variables alone: a reference in them stays text, and so does text that only looks like one
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    except: Vec<String>,
}

impl SelectionArguments {
    /// Returns whether the references of a variable count.
    ///
    /// A variable of [`FOREIGN_TEXT`] counts only if `--only` has its full name.
    pub(crate) fn includes(&self, name: &str) -> bool {
        let is_named = self.only.iter().any(|pattern| pattern == name);
        let is_selected = self.only.is_empty() || is_named || matches_any(&self.only, name);
        is_selected && !matches_any(&self.except, name) && (is_named || !is_foreign_text(name))
    }

    /// Returns whether a variable is left alone only because other people write its text.
    pub(crate) fn protects(&self, name: &str) -> bool {
        let is_selected = self.only.is_empty() || matches_any(&self.only, name);
        is_selected && !self.includes(name) && !matches_any(&self.except, name)
    }

    /// Returns the patterns that match none of `names`.
    pub(crate) fn unmatched<'s>(&'s self, names: &[String]) -> Vec<&'s str> {
        let patterns = self.only.iter().chain(&self.except);
        let unmatched = patterns.filter(|pattern| !names.iter().any(|name| matches(pattern, name)));
        unmatched.map(String::as_str).collect()
    }
}

/// The reason to leave a variable alone.
pub(crate) const LEFT_ALONE: &str =
    "left alone, because other people may write its text; to resolve its references, name it with --only";

/// Returns whether a CI system or a platform fills the variable with text of other people.
pub(crate) fn is_foreign_text(name: &str) -> bool {
    FOREIGN_TEXT.iter().any(|(_, patterns)| patterns.iter().any(|pattern| matches(pattern, name)))
}

fn matches_any(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, name))
}

/// Returns whether `name` has the form of `pattern`: `*` stands for any text, `?` for one character.
///
/// Takes at most one step for each pair of characters.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // The last `*`, and the end of the text that it stands for.
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => (p, n) = (p + 1, n + 1),
            _ => {
                let Some((at, end)) = star else { return false };
                star = Some((at, end + 1));
                (p, n) = (at + 1, end + 1);
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// The variables that CI systems and platforms fill with commit messages, titles, branch names and other text of
/// people who need not be trusted. The table in `docs/command-line.md` lists them too.
pub(crate) const FOREIGN_TEXT: [(&str, &[&str]); 27] = [
    (
        "GitHub Actions, Gitea, Forgejo",
        &[
            "GITHUB_ACTOR",
            "GITHUB_BASE_REF",
            "GITHUB_HEAD_REF",
            "GITHUB_REF",
            "GITHUB_REF_NAME",
            "GITHUB_TRIGGERING_ACTOR",
            "GITHUB_WORKFLOW",
            "GITHUB_WORKFLOW_REF",
        ],
    ),
    (
        "GitLab, Woodpecker",
        &[
            "CI_COMMIT_*",
            "CI_PREV_COMMIT_*",
            "CI_MERGE_REQUEST_*",
            "CI_EXTERNAL_PULL_REQUEST_*",
            "CI_OPEN_MERGE_REQUESTS",
            "CI_BUILD_REF_NAME",
            "CI_BUILD_TAG",
            "CI_PIPELINE_NAME",
            "CI_PROJECT_TITLE",
            "CI_PROJECT_DESCRIPTION",
            "CI_RELEASE_DESCRIPTION",
            "GITLAB_USER_*",
            "TRIGGER_PAYLOAD",
        ],
    ),
    (
        "Azure Pipelines",
        &[
            "BUILD_SOURCEVERSIONMESSAGE",
            "BUILD_SOURCEVERSIONAUTHOR",
            "BUILD_SOURCEBRANCH",
            "BUILD_SOURCEBRANCHNAME",
            "BUILD_BUILDNUMBER",
            "BUILD_QUEUEDBY",
            "BUILD_REQUESTEDFOR*",
            "BUILD_SOURCETFVCSHELVESET",
            "RELEASE_RELEASEDESCRIPTION",
            "RELEASE_REQUESTEDFOR*",
            "RELEASE_DEPLOYMENT_REQUESTEDFOR*",
            "SYSTEM_PULLREQUEST_*",
        ],
    ),
    (
        "Jenkins and its plugins",
        &[
            "BRANCH_NAME",
            "TAG_NAME",
            "BUILD_CAUSE",
            "BUILD_DISPLAY_NAME",
            "BUILD_USER*",
            "CHANGE_*",
            "GIT_AUTHOR_*",
            "GIT_BRANCH",
            "GIT_COMMITTER_*",
            "GIT_COMMIT_MESSAGE*",
            "GIT_LOCAL_BRANCH",
            "GIT_TAG_*",
            "ghprb*",
            "gitlabBranch",
            "gitlabMergeRequest*",
            "gitlabSource*",
            "gitlabTarget*",
            "gitlabTriggerPhrase",
            "gitlabUser*",
            "BITBUCKET_SOURCE_BRANCH",
            "BITBUCKET_TARGET_BRANCH",
            "BITBUCKET_PULL_REQUEST_*",
        ],
    ),
    ("Gerrit", &["GERRIT_*"]),
    ("CircleCI", &["CIRCLE_BRANCH", "CIRCLE_TAG", "CIRCLE_USERNAME", "CIRCLE_PR_*", "CIRCLE_PULL_REQUEST*"]),
    (
        "Travis CI",
        &["TRAVIS_BRANCH", "TRAVIS_COMMIT_MESSAGE", "TRAVIS_PULL_REQUEST_*", "TRAVIS_TAG", "TRAVIS_BUILD_STAGE_NAME"],
    ),
    ("AppVeyor", &["APPVEYOR_REPO_*", "APPVEYOR_PULL_REQUEST_*", "APPVEYOR_SCHEDULED_BUILD_NAME"]),
    (
        "Drone",
        &[
            "DRONE_BRANCH",
            "DRONE_COMMIT*",
            "DRONE_PULL_REQUEST*",
            "DRONE_SOURCE_BRANCH",
            "DRONE_TAG*",
            "DRONE_TARGET_BRANCH",
            "DRONE_BUILD_TRIGGER",
        ],
    ),
    ("Bitbucket Pipelines", &["BITBUCKET_BRANCH", "BITBUCKET_TAG", "BITBUCKET_BOOKMARK", "BITBUCKET_PR_*"]),
    (
        "Buildkite",
        &[
            "BUILDKITE_BRANCH",
            "BUILDKITE_BUILD_AUTHOR*",
            "BUILDKITE_BUILD_CREATOR*",
            "BUILDKITE_LABEL",
            "BUILDKITE_MESSAGE",
            "BUILDKITE_PULL_REQUEST*",
            "BUILDKITE_TAG",
        ],
    ),
    ("TeamCity", &["TEAMCITY_PULLREQUEST_*", "teamcity_pullRequest_*", "TEAMCITY_BUILD_BRANCH", "BUILD_VCS_BRANCH*"]),
    (
        "Cirrus CI",
        &[
            "CIRRUS_BASE_BRANCH",
            "CIRRUS_BRANCH",
            "CIRRUS_CHANGE_*",
            "CIRRUS_COMMIT_MESSAGE",
            "CIRRUS_PR*",
            "CIRRUS_TAG",
            "CIRRUS_USER_*",
        ],
    ),
    ("Semaphore", &["SEMAPHORE_GIT_*"]),
    ("Bitrise", &["BITRISE_GIT_*", "BITRISEIO_GIT_BRANCH_DEST", "BITRISEIO_PULL_REQUEST_*", "GIT_CLONE_COMMIT_*"]),
    ("Codefresh", &["CF_BRANCH*", "CF_COMMIT_*", "CF_PULL_REQUEST_*", "CF_RELEASE_*", "CF_BASE_BRANCH"]),
    (
        "AWS CodeBuild, Amplify",
        &["CODEBUILD_SOURCE_VERSION", "CODEBUILD_WEBHOOK_*", "AWS_BRANCH", "AWS_PULL_REQUEST_*"],
    ),
    ("Google Cloud Build", &["_HEAD_BRANCH", "_BASE_BRANCH", "_HEAD_REPO_URL", "REF_NAME"]),
    ("Netlify", &["BRANCH", "HEAD", "INCOMING_HOOK_*"]),
    ("Vercel", &["VERCEL_GIT_*", "NEXT_PUBLIC_VERCEL_GIT_*"]),
    (
        "Render, Railway, Heroku, Cloudflare, Fly",
        &[
            "RENDER_GIT_*",
            "RAILWAY_GIT_*",
            "HEROKU_SLUG_DESCRIPTION",
            "HEROKU_TEST_RUN_BRANCH",
            "HEROKU_BRANCH",
            "CF_PAGES_BRANCH",
            "WORKERS_CI_BRANCH",
        ],
    ),
    ("Argo, Argo CD", &["ARGO_*", "ARGOCD_APP_*"]),
    ("Prow", &["JOB_SPEC", "PULL_*"]),
    ("Zuul", &["ZUUL_*"]),
    (
        "Web servers (CGI)",
        &[
            "CONTENT_TYPE",
            "HTTP_ACCEPT*",
            "HTTP_AUTHORIZATION",
            "HTTP_COOKIE",
            "HTTP_FORWARDED",
            "HTTP_HOST",
            "HTTP_ORIGIN",
            "HTTP_REFERER",
            "HTTP_USER_AGENT",
            "HTTP_X_*",
            "PATH_INFO",
            "PATH_TRANSLATED",
            "QUERY_STRING",
            "REMOTE_HOST",
            "REMOTE_IDENT",
            "REMOTE_USER",
            "REQUEST_URI",
        ],
    ),
    ("Git hooks", &["GIT_PUSH_OPTION_*", "GIT_REFLOG_ACTION"]),
    ("Shells and remote logins", &["_", "PWD", "OLDPWD", "SSH_ORIGINAL_COMMAND", "SUDO_COMMAND", "LC_*"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(only: &[&str], except: &[&str]) -> SelectionArguments {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        SelectionArguments { only: owned(only), except: owned(except) }
    }

    #[test]
    fn variables_are_selected_by_name_and_pattern() {
        for (only, except, name, is_included) in [
            (&[][..], &[][..], "DB", true),
            (&[], &[], "CI_COMMIT_MESSAGE", false),
            (&[], &[], "ARGO_TEMPLATE", false),
            (&["CI_COMMIT_MESSAGE"], &[], "CI_COMMIT_MESSAGE", true),
            (&["*"], &[], "CI_COMMIT_MESSAGE", false),
            (&["DB"], &[], "DB", true),
            (&["DB"], &[], "DB2", false),
            (&["DB?"], &[], "DB2", true),
            (&["SHOP_*"], &["SHOP_TEST_*"], "SHOP_DB", true),
            (&["SHOP_*"], &["SHOP_TEST_*"], "SHOP_TEST_DB", false),
            (&["DB"], &["DB"], "DB", false),
        ] {
            assert_eq!(selection(only, except).includes(name), is_included, "{name} of {only:?} without {except:?}");
        }
        assert!(selection(&[], &[]).protects("CI_COMMIT_TITLE") && !selection(&["A"], &[]).protects("CI_COMMIT_TITLE"));
        assert_eq!(selection(&["A*", "B"], &["C"]).unmatched(&["AB".to_owned()]), ["B", "C"]);
    }

    #[test]
    fn a_pattern_takes_few_steps() {
        assert!(matches("*a*b?", "xxaxxbc") && !matches("a*", "ba") && matches("*", "") && !matches("?", ""));
        assert!(!matches(&"*a".repeat(1_000), &"a".repeat(999)));
    }

    #[test]
    fn the_guide_lists_every_variable() {
        let guide = include_str!("../../command-line.md");
        for (system, patterns) in FOREIGN_TEXT {
            for pattern in patterns {
                assert!(guide.contains(&format!("`{pattern}`")), "{pattern} of {system}");
            }
        }
    }
}
