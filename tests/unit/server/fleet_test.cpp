#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "fleet_address.h"
#include "fleet_bucket.h"
#include "fleet_control.h"
#include "fleet_files.h"
#include "fleet_record.h"
#include "fleet_scripts.h"
#include "job_record.h"
#include "job_store.h"

namespace espalier::server {
namespace {

TEST(RedisAddress, HasAllParts) {
  const RedisAddress plain = parse_redis_address("redis://queue.example");
  EXPECT_EQ(plain.shown(), "queue.example:6379");
  EXPECT_FALSE(plain.tls);
  EXPECT_EQ(plain.password, "");
  const RedisAddress whole = parse_redis_address("rediss://anna:p%40ss%2Fw:rd@[::1]:7000/3");
  EXPECT_TRUE(whole.tls);
  EXPECT_EQ(whole.user, "anna");
  EXPECT_EQ(whole.password, "p@ss/w:rd");
  EXPECT_EQ(whole.shown(), "[::1]:7000/3");
  EXPECT_EQ(parse_redis_address("redis://:pass@word@host/").password, "pass@word");
}

TEST(RedisAddress, WrongOnesAreRefusedAndNotRepeated) {
  for (const std::string& text : std::vector<std::string>{"",
                                                          "redis:/secret@host",
                                                          "http://:secret@host",
                                                          "redis://",
                                                          "redis://:secret@",
                                                          "redis://secret@host",
                                                          "redis://user:@host",
                                                          "redis://:secret@host:0",
                                                          "redis://:secret@host:65536",
                                                          "redis://:secret@host:port",
                                                          "redis://:secret@host/x",
                                                          "redis://:secret@host/-1",
                                                          "redis://:secret@host/1/2",
                                                          "redis://:secret@[::1",
                                                          "redis://:secret@[::1]x:1",
                                                          "redis://:se%zzcret@host",
                                                          "redis://:secret%0a@host",
                                                          "redis://:secret@ho st",
                                                          "redis://:secret@host?x=1",
                                                          "redis://:secret@host\r\nAUTH"}) {
    try {
      (void)parse_redis_address(text);
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument) << text;
      EXPECT_EQ(std::string(error.what()).find("secret"), std::string::npos) << error.what();
    }
  }
  EXPECT_THROW((void)parse_redis_address("redis://" + std::string(2000, 'a')), Error);
}

TEST(BucketAddress, HasABucketAndAPrefix) {
  const BucketAddress address = parse_bucket_address("s3://my-bucket.1/some/place_2/");
  EXPECT_EQ(address.bucket, "my-bucket.1");
  EXPECT_EQ(address.prefix, "some/place_2/");
  EXPECT_EQ(parse_bucket_address("s3://abc").prefix, "");
  EXPECT_EQ(parse_bucket_address("s3://abc/").prefix, "");
  EXPECT_FALSE(is_bucket_address("/folder"));
  for (const std::string& text : std::vector<std::string>{"s3://", "s3://ab", "s3://Bucket", "s3://buc..ket", "s3://-bucket",
                                                          "s3://bucket/../x", "s3://bucket/a//b", "s3://bucket/a b",
                                                          "s3://bucket/a?b", "s3://bucket/\xc3\xa4", "https://bucket"}) {
    EXPECT_THROW((void)parse_bucket_address(text), Error) << text;
  }
}

TEST(BucketPage, ListsNamesAndGoesOn) {
  const BucketPage page = parse_bucket_page(
      "<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>a/b&amp;c</Key></Contents>"
      "<Contents><Key>d</Key></Contents><NextContinuationToken>t&lt;1</NextContinuationToken></ListBucketResult>");
  EXPECT_EQ(page.names, (std::vector<std::string>{"a/b&c", "d"}));
  EXPECT_EQ(page.next, "t<1");
  EXPECT_EQ(parse_bucket_page("<IsTruncated>false</IsTruncated><NextContinuationToken>x</NextContinuationToken>").next, "");
  EXPECT_TRUE(parse_bucket_page("<Key>never ends").names.empty());
  EXPECT_TRUE(parse_bucket_page("").names.empty());
}

class Record : public ::testing::Test {
 protected:
  Record() {
    Job job;
    job.id = JobStore::new_id();
    job.options = {{"seed", 1}};
    job.files.push_back({"input-1.png", "input", "png", "image/png", 7});
    id_ = job.id;
    fields_ = {{"job", text_of(to_json(JobRecord{job}))}, {"state", "running"}, {"name", "chair"}, {"sequence", "12"}};
  }
  std::string id_;
  Fields fields_;
};

TEST_F(Record, IsReadWithWhatHasChangedSince) {
  fields_["files"] = R"([{"name":"asset.glb","role":"result","format":"glb","media_type":"m","bytes":9,"attempt":2}])";
  fields_["progress"] = R"({"fraction":0.5})";
  const auto job = job_of(id_, fields_);
  ASSERT_TRUE(job);
  EXPECT_EQ(job->state, JobState::running);
  EXPECT_EQ(job->sequence, 12);
  EXPECT_EQ(job->name, "chair");
  ASSERT_EQ(job->files.size(), 2U);
  EXPECT_EQ(stored_name(id_, job->files[0]), id_ + "/in/input-1.png");
  EXPECT_EQ(stored_name(id_, job->files[1]), id_ + "/2/asset.glb");
  EXPECT_EQ(job->progress.at("fraction"), 0.5);
}

TEST_F(Record, OfNobodyKnowsWhomIsNoJob) {
  EXPECT_FALSE(job_of(JobStore::new_id(), fields_));  // of another job
  for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{{"job", ""},
                                                                                    {"job", "{}"},
                                                                                    {"job", std::string(300, '[')},
                                                                                    {"job", "\xff\xfe"},
                                                                                    {"state", "paused"},
                                                                                    {"state", ""}}) {
    Fields fields = fields_;
    fields[name] = value;
    EXPECT_FALSE(job_of(id_, fields)) << name << " " << value;
  }
  EXPECT_FALSE(job_of(id_, {}));
}

TEST_F(Record, HasNoFilesOutsideItsFolder) {
  fields_["files"] =
      R"([{"name":"../x","bytes":1,"attempt":1},{"name":"a/b","bytes":1,"attempt":1},{"name":"x","bytes":-1,"attempt":1},
      {"name":"x","bytes":1,"attempt":0},{"name":"x","bytes":1,"attempt":-3},{"name":"x","bytes":1},7,null,"x"])";
  fields_["end"] = R"({"error":7,"notices":{},"report":[]})";
  fields_["progress"] = "[1]";
  const auto job = job_of(id_, fields_);
  ASSERT_TRUE(job);
  EXPECT_EQ(job->files.size(), 1U);
  EXPECT_TRUE(job->error.is_null());
  EXPECT_TRUE(job->progress.is_null());
  fields_["files"] = std::string(5'000'000, '[');
  EXPECT_EQ(job_of(id_, fields_)->files.size(), 1U);
}

TEST(WorkerReport, IsReadBack) {
  const WorkerReport report{{{"0", "cuda:0", "busy", 0, 3, {5, 7}}}, {"sprout"}, {"sprout"}};
  const auto back = worker_report_of(text_of(report));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->lanes[0].device, "cuda:0");
  EXPECT_EQ(back->lanes[0].restarts, 3U);
  EXPECT_EQ(back->models, report.models);
  for (const char* text : {"", "{}", "[]", R"({"version":2,"lanes":[],"models":[],"loaded":[]})",
                           R"({"version":1,"lanes":[{"name":7}],"models":[],"loaded":[]})",
                           R"({"version":1,"lanes":{},"models":"x","loaded":[]})"}) {
    EXPECT_FALSE(worker_report_of(text)) << text;
  }
}

TEST(FleetWord, OfAnotherVersionIsNone) {
  const std::string id(24, 'a');
  const auto word = fleet_word_of(R"({"version":1,"job":")" + id + R"(","event":"cancel"})");
  ASSERT_TRUE(word);
  EXPECT_EQ(word->job, id);
  EXPECT_EQ(word->event, "cancel");
  EXPECT_EQ(word->file, "");
  for (const std::string& text : std::vector<std::string>{"", "[]", "{", "{}", R"({"version":2,"job":")" + id + R"("})",
                                                          R"({"version":1,"job":"../x"})", R"({"version":1,"job":7})"})
    EXPECT_FALSE(fleet_word_of(text)) << text;
}

TEST(FolderFiles, ArePutWholeAndRemoved) {
  namespace fs = std::filesystem;
  const fs::path root = fs::path(::testing::TempDir()) / ("files-" + JobStore::new_id());
  const auto files = open_fleet_files({.results = root.string()});
  const fs::path from = root / "from";
  std::ofstream(from) << "seven b";
  files->put("a/1/x", from);
  files->put("a/1/x", from);  // again, after an answer that was lost
  EXPECT_EQ(fs::file_size(files->get("a/1/x")), 7U);
  EXPECT_THROW((void)files->get("a/1/y"), FileMissing);
  EXPECT_THROW((void)files->get("a/1"), FileMissing);  // a folder
  files->remove("a/1/y");
  files->put("a/2/x", from);
  files->remove_all("a/1");
  EXPECT_THROW((void)files->get("a/1/x"), FileMissing);
  EXPECT_EQ(fs::file_size(files->get("a/2/x")), 7U);
  fs::remove_all(root);
  EXPECT_THROW((void)files->get("a/2/x"), FleetError);  // no folder at all is another matter
  EXPECT_THROW((void)open_fleet_files({.results = "ftp://host"}), Error);
  EXPECT_THROW((void)open_fleet_files({.results = ""}), Error);
}

TEST(FleetScripts, AreKnownByTheirHash) {
  EXPECT_EQ(RedisScript("return 1").hash(), "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
  EXPECT_NE(fleet_scripts().take.hash(), fleet_scripts().add.hash());
}

}  // namespace
}  // namespace espalier::server
