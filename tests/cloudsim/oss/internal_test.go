// SPDX-License-Identifier: Apache-2.0

package oss

import (
	"bytes"
	"hash/crc64"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCombineCRC64EqualsTheChecksumOfTheWhole(t *testing.T) {
	table := crc64.MakeTable(crc64.ECMA)
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		data := make([]byte, random.IntN(5000))
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		cut := random.IntN(len(data) + 1)
		first, second := data[:cut], data[cut:]
		got := combineCRC64(crc64.Checksum(first, table), crc64.Checksum(second, table), int64(len(second)))
		if want := crc64.Checksum(data, table); got != want {
			t.Fatalf("combining %d and %d bytes gives %d, want %d", len(first), len(second), got, want)
		}
	}
}

func TestRange(t *testing.T) {
	type result struct {
		Offset, Length int64
		Partial, OK    bool
	}
	whole := result{Length: 1000, OK: true}
	for name, tc := range map[string]struct {
		header          string
		plain, standard result
	}{
		"no header is the whole object": {"", whole, whole},
		"both ends are inclusive": {
			"bytes=0-99", result{0, 100, true, true}, result{0, 100, true, true},
		},
		"an open range goes to the end":              {"bytes=900-", result{900, 100, true, true}, result{900, 100, true, true}},
		"a suffix counts from the end":               {"bytes=-100", result{900, 100, true, true}, result{900, 100, true, true}},
		"a range over the end is cut or ignored":     {"bytes=500-2000", whole, result{500, 500, true, true}},
		"a range behind the end fails or is ignored": {"bytes=1000-2000", whole, result{Length: 1000}},
		"an open range behind the end likewise":      {"bytes=1000-", whole, result{Length: 1000}},
		"a backward range is ignored":                {"bytes=5-4", whole, whole},
		"several ranges are ignored":                 {"bytes=0-1,5-6", whole, whole},
		"another unit is ignored":                    {"lines=0-1", whole, whole},
		"a number too large is ignored":              {"bytes=0-99999999999999999999", whole, whole},
	} {
		t.Run(name, func(t *testing.T) {
			for standard, want := range map[bool]result{false: tc.plain, true: tc.standard} {
				r, ok := rangeOf(tc.header, standard, 1000)
				if diff := cmp.Diff(want, result{r.offset, r.length, r.partial, ok}); diff != "" {
					t.Errorf("standard behaviour %t (-want +got):\n%s", standard, diff)
				}
			}
		})
	}
}

// TestPagesEqualTheNaiveModel walks random listings page by page, and compares what they give with a listing made
// the obvious way.
func TestPagesEqualTheNaiveModel(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	text := func(n int) string {
		b := make([]byte, random.IntN(n))
		for i := range b {
			b[i] = "ab/-\x00\xc3"[random.IntN(6)]
		}
		return string(b)
	}
	for range 3000 {
		keys := make([]string, random.IntN(25))
		for i := range keys {
			keys[i] = "k" + text(7)
		}
		slices.Sort(keys)
		keys = slices.Compact(keys)
		sel := selection{prefix: text(3), delimiter: text(3), after: text(4), limit: 1 + random.IntN(4)}
		if random.IntN(2) == 0 {
			sel.prefix = "k"
		}
		if random.IntN(2) == 0 {
			sel.after = ""
		}
		wantKeys, wantPrefixes := naive(sel, keys)
		var gotKeys, gotPrefixes []string
		for at := sel; ; {
			p := at.page(keys)
			if n := len(p.keys) + len(p.prefixes); n > sel.limit || p.next != "" && n != sel.limit {
				t.Fatalf("%+v of %q: a page of %d entries", at, keys, n)
			}
			gotKeys, gotPrefixes = append(gotKeys, p.keys...), append(gotPrefixes, p.prefixes...)
			if p.next == "" {
				break
			}
			at.after = p.next
		}
		if diff := cmp.Diff([][]string{wantKeys, wantPrefixes}, [][]string{gotKeys, gotPrefixes}); diff != "" {
			t.Fatalf("%+v of %q (-want +got):\n%s", sel, keys, diff)
		}
	}
}

// naive lists all at once: the keys behind the marker that have the prefix, and those with a delimiter behind the
// prefix as what comes up to it. A marker that is such a common prefix excludes it.
func naive(sel selection, keys []string) (plain, prefixes []string) {
	for _, key := range keys {
		rest, ok := strings.CutPrefix(key, sel.prefix)
		if !ok || key <= sel.after {
			continue
		}
		head, _, cut := strings.Cut(rest, sel.delimiter)
		if sel.delimiter == "" || !cut {
			plain = append(plain, key)
			continue
		}
		common := sel.prefix + head + sel.delimiter
		if common != sel.after && !slices.Contains(prefixes, common) {
			prefixes = append(prefixes, common)
		}
	}
	return plain, prefixes
}

func TestIndexKeepsItsKeysSorted(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	x, model := newIndex[int](), map[string]int{}
	for i := range 2000 {
		key := string(rune('a' + random.IntN(40)))
		if random.IntN(3) == 0 {
			x.remove(key)
			delete(model, key)
		} else {
			x.put(key, i)
			model[key] = i
		}
	}
	if !slices.IsSorted(x.keys) || len(x.keys) != len(model) {
		t.Errorf("keys = %q, want %d sorted ones", x.keys, len(model))
	}
	if diff := cmp.Diff(model, x.values); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
}

func TestKeyNames(t *testing.T) {
	for name, tc := range map[string]struct {
		key string
		ok  bool
	}{
		"the shortest name":        {"a", true},
		"the longest name":         {strings.Repeat("a", 1023), true},
		"any characters":           {"ü/ \t日本\x01", true},
		"the empty name":           {"", false},
		"a name too long":          {strings.Repeat("a", 1024), false},
		"a name too long in bytes": {strings.Repeat("ü", 512), false},
		"a leading slash":          {"/a", false},
		"a leading backslash":      {`\a`, false},
		"bytes that are not UTF-8": {"a\xff", false},
		"a slash anywhere else":    {"a//b/", true},
	} {
		t.Run(name, func(t *testing.T) {
			if err := checkKey(tc.key); (err == nil) != tc.ok {
				t.Errorf("checkKey = %v, want ok: %t", err, tc.ok)
			}
		})
	}
}

func FuzzParseAuthorizationV4(f *testing.F) {
	f.Add("OSS4-HMAC-SHA256 Credential=ak/20250101/cn-hangzhou/oss/aliyun_v4_request,Signature=ab")
	f.Add("OSS4-HMAC-SHA256 Credential=ak/20250101/cn-hangzhou/oss/aliyun_v4_request,AdditionalHeaders=host;range,Signature=ab")
	f.Add("OSS4-HMAC-SHA256 Credential=////,Signature=")
	f.Fuzz(func(t *testing.T, header string) {
		a, err := parseAuthorizationV4(header)
		if err != nil {
			return
		}
		if a.signature == "" || a.credential.accessKeyID == "" {
			t.Errorf("%q was accepted without a key or a signature: %+v", header, a)
		}
		if !strings.Contains(header, a.credential.accessKeyID+"/"+a.credential.scope()) {
			t.Errorf("%q gives the credential %+v", header, a.credential)
		}
	})
}

func FuzzParseAuthorizationV1(f *testing.F) {
	f.Add("OSS key:signature")
	f.Add("OSS :")
	f.Fuzz(func(t *testing.T, header string) {
		id, provided, err := parseAuthorizationV1(header)
		if err == nil && !strings.HasSuffix(header, id+":"+provided) {
			t.Errorf("%q gives %q and %q", header, id, provided)
		}
	})
}

func FuzzParseCopySource(f *testing.F) {
	f.Add("/bucket/key")
	f.Add("/bucket/a%2Fb?versionId=1")
	f.Fuzz(func(t *testing.T, header string) {
		bucket, key, err := parseCopySource(header)
		if err == nil && (!validBucketName(bucket) || checkKey(key) != nil) {
			t.Errorf("%q gives bucket %q and key %q", header, bucket, key)
		}
	})
}

func FuzzParseTagging(f *testing.F) {
	f.Add("a=b&c=d")
	f.Add("a=%20&a=%zz")
	f.Fuzz(func(t *testing.T, text string) {
		tags, err := parseTagging(text)
		if err == nil && checkTags(tags) != nil {
			t.Errorf("%q gives tags that are not allowed: %+v", text, tags)
		}
	})
}

func FuzzDecodeXML(f *testing.F) {
	f.Add([]byte("<Delete><Object><Key>a</Key></Object><Quiet>true</Quiet></Delete>"))
	f.Add([]byte("<?xml version=\"1.0\"?><Delete></Delete><Delete/>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var request deleteRequest
		if err := decodeXML(data, "Delete", &request); err == nil && !bytes.Contains(data, []byte("Delete")) {
			t.Errorf("%q was taken for a Delete: %+v", data, request)
		}
	})
}

func FuzzRange(f *testing.F) {
	f.Add("bytes=0-1", int64(5))
	f.Add("bytes=-9", int64(5))
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		for _, standard := range []bool{false, true} {
			r, ok := rangeOf(header, standard, size)
			if ok && (r.offset < 0 || r.length < 0 || r.offset+r.length > size || r.offset+r.length < 0) {
				t.Errorf("%q of %d bytes gives %+v", header, size, r)
			}
		}
	})
}

func TestARestoredObjectIsReadableForAWhile(t *testing.T) {
	ready := time.Date(2025, 1, 1, 12, 0, 0, 0, time.UTC)
	r := &restoration{readyAt: ready, expiresAt: ready.Add(24 * time.Hour)}
	for name, tc := range map[string]struct {
		restored *restoration
		at       time.Time
		want     restoreState
		header   string
	}{
		"never restored":  {nil, ready, restoreNone, ""},
		"being restored":  {r, ready.Add(-time.Second), restoreOngoing, `ongoing-request="true"`},
		"restored":        {r, ready, restoreDone, `ongoing-request="false", expiry-date="Thu, 02 Jan 2025 12:00:00 GMT"`},
		"after its while": {r, ready.Add(25 * time.Hour), restoreNone, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.restored.state(tc.at); got != tc.want {
				t.Errorf("state = %v, want %v", got, tc.want)
			}
			if got := tc.restored.header(tc.at); got != tc.header {
				t.Errorf("header = %q, want %q", got, tc.header)
			}
		})
	}
}
