// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"testing/quick"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

var compareIDs = cmp.AllowUnexported(snapshotID{}, volumeID{}, order{}, storage{}, snapshot{})

// nasSnapshot is a snapshot as most are.
func nasSnapshot() snapshotID {
	return snapshotID{
		region: "cn-hangzhou", vault: "v-0001abc", kind: volume.KindNAS, method: agentless, job: "job-0002def",
		source: storage{fileSystem: "31a8e4", server: "31a8e4-x.cn-hangzhou.nas.aliyuncs.com", path: "/shop data/ü"},
	}
}

const nasSnapshotText = "cn-hangzhou/v-0001abc/nas/agentless/job-0002def?fileSystem=31a8e4&path=/shop+data/%C3%BC&server=31a8e4-x.cn-hangzhou.nas.aliyuncs.com"

func TestSnapshotIDs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		id   snapshotID
		text string
	}{
		{"a NAS file system", nasSnapshot(), nasSnapshotText},
		{
			"a directory of a bucket",
			snapshotID{
				region: "cn-shanghai-finance-1", vault: "v-1", kind: volume.KindOSS, method: onNode, job: "job-1",
				source: storage{bucket: "shop", prefix: "a?b#c&d=e/"},
			},
			"cn-shanghai-finance-1/v-1/oss/node/job-1?bucket=shop&prefix=a%3Fb%23c%26d%3De/",
		},
		{
			"a volume of a node",
			snapshotID{region: "cn-hangzhou", vault: "v-1", kind: volume.KindLocal, method: onNode, job: "job-1", source: storage{node: "node-1", path: "/mnt/1"}},
			"cn-hangzhou/v-1/local/node/job-1?node=node-1&path=/mnt/1",
		},
		{
			"a volume of which nothing is known",
			snapshotID{region: "cn-hangzhou", vault: "v-1", kind: volume.KindOther, method: onNode, job: "job-1"},
			"cn-hangzhou/v-1/other/node/job-1",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.id.String(); got != tt.text {
				t.Errorf("id %q, want %q", got, tt.text)
			}
			got, err := parseSnapshotID(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.id, got, compareIDs); diff != "" {
				t.Errorf("read (-want +got):\n%s", diff)
			}
			if err := tt.id.check(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWhatIsNoSnapshotID(t *testing.T) {
	t.Parallel()
	const notOurs = "is not the id of a Cloud Backup snapshot"
	tests := []struct{ name, text, want string }{
		{"no id at all", "", "its data was not backed up"},
		{"a job that was refused, with the reason", "failed:quota", "The reason was: quota"},
		{"a snapshot of a disk", "cn-hangzhou/s-bp1abc", notOurs},
		{"another cloud's id", "snap-0123456789", "was the backup made by another plugin"},
		{"no region", "v-1/nas/agentless/job-1", notOurs},
		{"a vault's name", "cn-hangzhou/ack-backup-data/nas/agentless/job-1", notOurs},
		{"a kind that is not known", "cn-hangzhou/v-1/tape/agentless/job-1", notOurs},
		{"a method that is none of a snapshot", "cn-hangzhou/v-1/nas/auto/job-1", notOurs},
		{"no job", "cn-hangzhou/v-1/nas/agentless/", notOurs},
		{"a job of two parts", "cn-hangzhou/v-1/nas/agentless/job/1", notOurs},
		{"a job that is too long", "cn-hangzhou/v-1/nas/agentless/" + strings.Repeat("j", 129), notOurs},
		{"something behind the job", "cn-hangzhou/v-1/nas/agentless/job-1\n", notOurs},
		{"a field that is not known", "cn-hangzhou/v-1/nas/agentless/job-1?colour=red", "by a newer version of this one"},
		{"a field that is there twice", "cn-hangzhou/v-1/nas/agentless/job-1?path=/a&path=/b", notOurs},
		{"a field that is empty", "cn-hangzhou/v-1/nas/agentless/job-1?path=", notOurs},
		{"fields in another order", "cn-hangzhou/v-1/nas/agentless/job-1?path=/a&fileSystem=1", notOurs},
		{"no fields behind a question mark", "cn-hangzhou/v-1/nas/agentless/job-1?", notOurs},
		{"a query that is none", "cn-hangzhou/v-1/nas/agentless/job-1?%zz", notOurs},
		{"a path that is too long", "cn-hangzhou/v-1/nas/agentless/job-1?path=/" + strings.Repeat("p", 4096), "the path of the volume has 4097 bytes, allowed are 4096"},
		{"a prefix that is too long", "cn-hangzhou/v-1/oss/agentless/job-1?prefix=" + strings.Repeat("p", 1024), "the prefix of the volume has 1024 bytes, allowed are 1023"},
		{"a handle that is too long", "cn-hangzhou/v-1/other/node/job-1?handle=" + strings.Repeat("p", 1025), "the handle of the volume has 1025 bytes, allowed are 1024"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, err := parseSnapshotID(tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("read %+v, error %v, want %q", got, err, tt.want)
			}
		})
	}
}

func TestAnIDThatCannotBeReadAgain(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*snapshotID){
		"no region":              func(s *snapshotID) { s.region = "" },
		"a vault with a slash":   func(s *snapshotID) { s.vault = "v-1/x" },
		"a kind that is unknown": func(s *snapshotID) { s.kind = "tape" },
		"a job with a question":  func(s *snapshotID) { s.job = "job?path=/x" },
		"a path without an end":  func(s *snapshotID) { s.source.path = strings.Repeat("/p", 2049) },
	} {
		id := nasSnapshot()
		change(&id)
		if err := id.check(); err == nil {
			t.Errorf("%s: %q was taken", name, id)
		}
	}
}

func TestRefusedIDsAreShortLines(t *testing.T) {
	t.Parallel()
	if got, want := idOfRefused(errors.New("quota\n\tis  used up ")), "failed:quota is used up"; got != want {
		t.Errorf("id %q, want %q", got, want)
	}
	for _, letter := range []string{"x", "ü", "库", "🗄"} {
		got := idOfRefused(errors.New("a" + strings.Repeat(letter, 4000)))
		if len(got) > len(refusedPrefix)+maxReason || len(got) < maxReason || !utf8.ValidString(got) || !strings.HasSuffix(got, letter+"…") {
			t.Errorf("an id of %d bytes (valid: %v) ends in %q", len(got), utf8.ValidString(got), got[len(got)-8:])
		}
	}
	if whole := strings.Repeat("x", maxReason); idOfRefused(errors.New(whole)) != refusedPrefix+whole {
		t.Error("a reason that fits was cut")
	}
}

func TestASnapshotIsOfOneRegion(t *testing.T) {
	t.Parallel()
	if err := nasSnapshot().in("cn-hangzhou"); err != nil {
		t.Error(err)
	}
	err := nasSnapshot().in("cn-beijing")
	if want := "only disk type PVs support cross-region restore in current version: the snapshot is in cn-hangzhou, this cluster in cn-beijing"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %q", err, want)
	}
}

func TestVolumeIDs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		id   volumeID
		text string
	}{
		{"a directory of a file system", volumeID{volume.KindNAS, storage{fileSystem: "1", server: "1-x.cn-hangzhou.nas.aliyuncs.com", path: "/"}}, "nas:fileSystem=1&path=/&server=1-x.cn-hangzhou.nas.aliyuncs.com"},
		{"a bucket", volumeID{volume.KindOSS, storage{bucket: "shop"}}, "oss:bucket=shop"},
		{"a disk", volumeID{volume.KindDisk, storage{handle: "d-1"}}, "disk:handle=d-1"},
		{"a handle with a colon", volumeID{volume.KindOther, storage{handle: "a:b"}}, "other:handle=a%3Ab"},
		{"a volume of which nothing is known", volumeID{kind: volume.KindNAS}, "nas:"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.id.String(); got != tt.text {
				t.Errorf("id %q, want %q", got, tt.text)
			}
			got, ok := parseVolumeID(tt.text)
			if diff := cmp.Diff(tt.id, got, compareIDs); !ok || diff != "" {
				t.Errorf("read %v (-want +got):\n%s", ok, diff)
			}
		})
	}
	for _, text := range []string{
		"", "nas", "tape:", "d-bp1abc", "nas:colour=red", "nas:%zz", "nas:path=/b&path=/a", "pending:cn-hangzhou/v-1/nas/node/j",
		"nas:path=/" + strings.Repeat("p", 4096),
	} {
		if read, ok := parseVolumeID(text); ok {
			t.Errorf("%q was read as %+v", text, read)
		}
	}
}

func TestPendingIDHoldsTheOrder(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		order order
		want  string
	}{
		{"storage that is yet to be provisioned", order{snapshot: nasSnapshot(), mark: "abcd1234"}, "pending:" + nasSnapshotText + "#mark=abcd1234"},
		{
			"a snapshot that was found",
			order{snapshot: nasSnapshot(), mark: "abcd1234", made: snapshot{id: "s-1", hash: "h+1"}},
			"pending:" + nasSnapshotText + "#hash=h%2B1&mark=abcd1234&snapshot=s-1",
		},
		{
			"a job and where it writes",
			order{snapshot: nasSnapshot(), mark: "abcd1234", target: storage{fileSystem: "31a8e4", path: "/a#b-restore-1"}},
			"pending:" + nasSnapshotText + "#fileSystem=31a8e4&mark=abcd1234&path=/a%23b-restore-1",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			id := tt.order.pendingID()
			if id != tt.want {
				t.Errorf("id %q, want %q", id, tt.want)
			}
			read, ok := parsePendingID(id)
			if diff := cmp.Diff(tt.order, read, compareIDs); !ok || diff != "" {
				t.Errorf("read %v (-want +got):\n%s", ok, diff)
			}
		})
	}
}

func TestWhatIsNoPendingID(t *testing.T) {
	t.Parallel()
	for _, id := range []string{
		"", "nas:path=/", "pending:", "pending:cn-hangzhou/s-1", "pending:failed:x", nasSnapshotText,
		"pending:" + nasSnapshotText + "#", "pending:" + nasSnapshotText + "#%zz", "pending:" + nasSnapshotText + "#colour=red",
		"pending:" + nasSnapshotText + "#mark=ABCD1234",
		"pending:" + nasSnapshotText + "#mark=abcd1234&snapshot=s-1",
		"pending:" + nasSnapshotText + "#path=/" + strings.Repeat("p", 4096),
	} {
		if read, ok := parsePendingID(id); ok {
			t.Errorf("%q was read as %+v", id, read)
		}
	}
}

// anyText is of characters that mean something to ids, and of others.
func anyText(random *rand.Rand) string {
	letters := []rune("ab/?#&=%+:; .ü库\n\x00\xff")
	text := make([]rune, random.IntN(8))
	for i := range text {
		text[i] = letters[random.IntN(len(letters))]
	}
	return string(text)
}

func anyMark(random *rand.Rand) string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	var mark [markLength]byte
	for i := range mark {
		mark[i] = letters[random.IntN(len(letters))]
	}
	return string(mark[:])
}

func anyStorage(random *rand.Rand) storage {
	var s storage
	for _, field := range s.fields() {
		if random.IntN(2) == 0 {
			*field = anyText(random)
		}
	}
	return s
}

func TestIDsAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	property := func(seed uint64) bool {
		random := rand.New(rand.NewPCG(seed, 0))
		snapshot := nasSnapshot()
		snapshot.kind = kinds()[random.IntN(len(kinds()))]
		snapshot.source = anyStorage(random)
		ordered := order{snapshot: snapshot, mark: anyMark(random), target: anyStorage(random)}
		of := volumeID{kind: snapshot.kind, source: ordered.target}
		readSnapshot, err := parseSnapshotID(snapshot.String())
		readOrder, isOrder := parsePendingID(ordered.pendingID())
		readVolume, isVolume := parseVolumeID(of.String())
		return err == nil && isOrder && isVolume &&
			reflect.DeepEqual(snapshot, readSnapshot) && reflect.DeepEqual(ordered, readOrder) && reflect.DeepEqual(of, readVolume)
	}
	if err := quick.Check(property, &quick.Config{MaxCount: 2000}); err != nil {
		t.Error(err)
	}
}

func FuzzParseSnapshotID(f *testing.F) {
	for _, text := range []string{"", nasSnapshotText, "failed:x", "cn-a/v-1/nas/node/j?path=%2F", "cn-a/v-1/nas/node/j?handle=%ff", "cn-a/v-1/disk/node/j?a"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		read, err := parseSnapshotID(text)
		if err != nil {
			return
		}
		if read.String() != text || read.check() != nil {
			t.Errorf("%q is read as %+v, which is %q, error %v", text, read, read, read.check())
		}
	})
}

func FuzzParseVolumeIDs(f *testing.F) {
	for _, id := range []string{"", "nas:path=/", "disk:handle=d-1", "pending:" + nasSnapshotText, "pending:" + nasSnapshotText + "#mark=abcd1234&path=%2F", "other:;"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		wanted, pending := parsePendingID(id)
		if pending && wanted.pendingID() != id {
			t.Errorf("%q is read as %+v", id, wanted)
		}
		of, made := parseVolumeID(id)
		if made && of.String() != id {
			t.Errorf("%q is read as %+v", id, of)
		}
		if made && pending {
			t.Errorf("%q is read as two things", id)
		}
	})
}
