//! `--watch`: renewals, failures, and the hook.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::{Duration, SystemTime};

use super::{assert_no_key, is_root, mode};
use crate::authority::{Authority, DAY, Issued};
use crate::fixture::{CANARY, Fixture, eventually, run, send_signal, wait};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_keep_the_last_good_files_and_the_next_good_version_replaces_them() {
    let fixture = Fixture::start().await;
    let authority = Authority::new();
    let [first, second] = [(); 2].map(|()| authority.issue("shop.example"));
    let version = fixture.emulator.set("tls", &first.pem());
    let mut command = fixture.certs();
    let then = "cp certs/*.tls seen; echo run >> runs; env | grep -q KEYVAULT_TOKEN && echo leak >> runs; true";
    command.args(["--watch", "--interval", "1s", "--then", then]);
    let child = command.spawn().expect("the command starts");
    let read = |name: &str| fs::read_to_string(fixture.path(name)).unwrap_or_default();
    let content = |issued: &Issued| issued.chain.replace("\r\n", "\n") + &issued.key.replace("\r\n", "\n");
    eventually("the first file", || read("seen") == content(&first) && read("runs") == "run\n").await;
    // None of these replaces the files, and each failure is printed once.
    let early = authority.issue_between("shop.example", DAY, 2 * DAY);
    let foreign = authority.issue("shop.example").key + &first.chain;
    for value in [CANARY, &early.pem(), &foreign] {
        fixture.emulator.set("tls", value);
        fixture.polls(3).await;
    }
    assert_eq!(read(&fixture.file("")), content(&first));
    assert_eq!((fixture.linked_version(), read("runs").as_str()), (version, "run\n"));
    let version = fixture.emulator.set("tls", &second.pem());
    eventually("the good version", || read("seen") == content(&second) && read("runs") == "run\nrun\n").await;
    assert_eq!(fixture.linked_version(), version);
    send_signal(&child, "-TERM");
    let output = wait(child).await;
    output.assert_code(0).assert_no_canary();
    let file = fixture.file("");
    for (part, count) in [
        (format!("wrote {file}: certificate for shop.example, expires "), 2),
        (format!("did not write {file}: value is not a certificate: tls version "), 1),
        (format!("did not write {file}: certificate is not valid yet"), 1),
        (format!("did not write {file}: private key does not belong to the certificate"), 1),
    ] {
        assert_eq!(output.err.matches(&part).count(), count, "{part}\n{}", output.err);
    }
    assert_no_key(&output, &[&first, &second, &early]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_disabled_or_deleted_keeps_its_files() {
    let fixture = Fixture::start().await;
    let version = fixture.emulator.set_secret("tls", Authority::new().issue("shop.example").managed());
    let mut command = fixture.certs();
    command.args(["--watch", "--interval", "1s", "--then", "echo run >> runs"]);
    let child = command.spawn().expect("the command starts");
    let runs = || fs::read_to_string(fixture.path("runs")).unwrap_or_default();
    eventually("the first run", || runs() == "run\n").await;
    let names = fixture.names("certs");
    fixture.emulator.set_enabled("tls", None, false);
    fixture.polls(3).await;
    fixture.emulator.delete("tls");
    fixture.polls(3).await;
    assert_eq!((fixture.names("certs"), fixture.linked_version(), runs().as_str()), (names, version, "run\n"));
    send_signal(&child, "-TERM");
    let output = wait(child).await;
    output.assert_code(0);
    for part in ["secret is disabled: tls in 127.0.0.1", "secret not found: tls in 127.0.0.1"] {
        assert_eq!(output.err.matches(part).count(), 1, "{part}\n{}", output.err);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_version_replaces_no_files_until_the_next_start() {
    let fixture = Fixture::start().await;
    let authority = Authority::new();
    let set = || fixture.emulator.set_secret("tls", authority.issue("shop.example").managed());
    let newest = set();
    let mut command = fixture.certs();
    command.args(["--watch", "--interval", "1s"]);
    let child = command.spawn().expect("the command starts");
    eventually("the newest version", || fixture.linked_version() == newest).await;
    // As a replica that lags behind: it returns a version of an earlier date as the newest.
    fixture.emulator.rewind_clock(Duration::from_secs(600));
    let older = set();
    fixture.polls(3).await;
    assert_eq!(fixture.linked_version(), newest);
    fixture.emulator.reset_clock();
    let next = set();
    eventually("the next version", || fixture.linked_version() == next).await;
    send_signal(&child, "-TERM");
    let output = wait(child).await;
    let text = format!("vault returned version {older}, which is older than the one in use");
    assert_eq!(output.assert_code(0).err.matches(&text).count(), 1, "{}", output.err);

    fixture.emulator.rewind_clock(Duration::from_secs(600));
    let older = set();
    run(fixture.certs()).await.assert_code(0);
    assert_eq!(fixture.linked_version(), older);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_version_before_the_newest_stays_and_a_removed_file_comes_back() {
    let fixture = Fixture::start().await;
    let authority = Authority::new();
    let issued: Vec<Issued> = (0..3).map(|_| authority.issue("shop.example")).collect();
    let mut versions = vec![fixture.emulator.set_secret("tls", issued[0].managed())];
    fs::create_dir(fixture.path("certs")).expect("a directory");
    let mut foreign =
        Vec::from([".notes", ".0123456789abcdef0123456789abcdef.pem"].map(|rest| fixture.name("tls", rest)));
    for name in &foreign {
        fixture.write(&format!("certs/{name}"), "mine");
    }
    // It has the name of a version, and cannot be removed like one.
    let directory = fixture.name("tls", ".0123456789abcdef0123456789abcdef");
    fs::create_dir(fixture.path(&format!("certs/{directory}"))).expect("a directory");
    foreign.push(directory.clone());
    let mut command = fixture.certs();
    command.args(["--watch", "--interval", "1s", "--then", "echo run >> runs"]);
    let child = command.spawn().expect("the command starts");
    eventually("the first version", || fixture.linked_version() == versions[0]).await;
    for next in &issued[1..] {
        versions.push(fixture.emulator.set_secret("tls", next.managed()));
        eventually("the next version", || fixture.linked_version() == *versions.last().expect("a version")).await;
    }
    let file = |version: &str| fixture.name("tls", &format!(".{version}"));
    let mut expected = vec![fixture.name("tls", ""), file(&versions[1]), file(&versions[2])];
    expected.extend(foreign);
    expected.sort();
    eventually("the first version is removed", || fixture.names("certs") == expected).await;
    for name in [fixture.name("tls", ""), file(&versions[2])] {
        fs::remove_file(fixture.path(&format!("certs/{name}"))).expect("a file");
        eventually("the file is back", || fixture.names("certs") == expected).await;
    }
    eventually("five runs", || fixture.read("runs") == "run\n".repeat(5)).await;
    // The pipe has no reader.
    let (pipe, newest) = (fixture.path("pipe"), fixture.path(&format!("certs/{}", file(&versions[2]))));
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
    fs::remove_file(&newest).expect("a file");
    std::os::unix::fs::symlink(&pipe, &newest).expect("a link");
    eventually("the link is a file again", || fs::symlink_metadata(&newest).is_ok_and(|file| file.is_file())).await;
    eventually("six runs", || fixture.read("runs") == "run\n".repeat(6)).await;
    send_signal(&child, "-TERM");
    let output = wait(child).await;
    assert!(output.assert_code(0).err.contains(&format!("cannot remove certs/{directory}: ")), "{}", output.err);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_access_of_a_file_is_restored_without_a_run_of_the_hook() {
    use rustix::fs::{XattrFlags, setxattr};
    use rustix::io::Errno;

    let fixture = Fixture::start().await;
    let version = fixture.emulator.set_secret("tls", Authority::new().issue("shop.example").managed());
    fs::create_dir(fixture.path("certs")).expect("a directory");
    // As `setfacl -d -m u:65534:r certs`.
    let mut readers = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in [(1, 7, -1), (2, 4, 65_534), (4, 5, -1), (16, 5, -1), (32, 5, -1)] {
        readers.extend([tag, 0, permissions, 0]);
        readers.extend(i32::to_le_bytes(id));
    }
    match setxattr(fixture.path("certs"), "system.posix_acl_default", &readers, XattrFlags::empty()) {
        Err(Errno::OPNOTSUPP) => eprintln!("SKIPPED in part: the file system has no access control lists"),
        outcome => outcome.expect("a list"),
    }
    let mut command = fixture.certs();
    command.args(["--watch", "--interval", "1s", "--then", "echo run >> runs"]);
    let child = command.spawn().expect("the command starts");
    eventually("the first run", || fs::read_to_string(fixture.path("runs")).is_ok_and(|runs| runs == "run\n")).await;
    fixture.polls(2).await;
    let file = fixture.path(&fixture.file(&format!(".{version}")));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("a mode");
    eventually("the mode is right again", || mode(&file) == 0o600).await;
    fixture.polls(2).await;
    assert_eq!(fixture.read("runs"), "run\n");
    send_signal(&child, "-TERM");
    let output = wait(child).await;
    assert_eq!(output.assert_code(0).err.matches("wrote").count(), 1, "{}", output.err);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_manager_is_notified_after_the_first_files() {
    let fixture = Fixture::start().await;
    fixture.emulator.set_secret("tls", Authority::new().issue("shop.example").managed());
    let socket = UnixDatagram::bind(fixture.path("notify")).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let mut command = fixture.certs();
    command.args(["--watch", "--mode", "640"]).env("NOTIFY_SOCKET", fixture.path("notify"));
    if is_root() {
        command.args(["--owner", "65534:7"]);
    }
    let child = command.spawn().expect("the command starts");
    let received = tokio::task::spawn_blocking(move || {
        let mut bytes = [0; 64];
        let length = socket.recv(&mut bytes).expect("a message");
        (bytes[..length].to_vec(), SystemTime::now())
    });
    let (message, at) = received.await.expect("it ran");
    assert_eq!(message, b"READY=1");
    let file = fs::metadata(fixture.path(&fixture.file(""))).expect("the file is there");
    assert!(file.modified().expect("a time") <= at);
    assert_eq!(mode(fixture.path(&fixture.file(""))), 0o640);
    if is_root() {
        assert_eq!((file.uid(), file.gid()), (65_534, 7));
    }
    send_signal(&child, "-TERM");
    wait(child).await.assert_code(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_hook_runs_for_one_file_although_another_cannot_be_written() {
    let fixture = Fixture::start().await;
    let version = fixture.emulator.set_secret("tls", Authority::new().issue("shop.example").managed());
    let mut command = fixture.certs();
    command.args(["--format", "pem,pfx", "--watch", "--interval", "1s", "--then", "echo run >> runs"]);
    let child = command.spawn().expect("the command starts");
    let runs = || fs::read_to_string(fixture.path("runs")).unwrap_or_default().lines().count();
    eventually("the first run", || runs() == 1).await;
    // A check meanwhile would write the files again.
    send_signal(&child, "-STOP");
    let [pem, pfx] = ["", ".pfx"].map(|suffix| fixture.path(&fixture.file(&format!(".{version}{suffix}"))));
    for file in [&pem, &pfx] {
        fs::remove_file(file).expect("a file");
    }
    // A directory cannot be replaced by a file.
    fs::create_dir(&pfx).expect("a directory");
    send_signal(&child, "-CONT");
    eventually("the run for the file that is back", || runs() == 2).await;
    fs::remove_dir(&pfx).expect("a directory");
    eventually("the run for the other file", || runs() == 3).await;
    send_signal(&child, "-TERM");
    assert!(wait(child).await.assert_code(0).err.contains("did not write certs/"));
}
