// SPDX-License-Identifier: Apache-2.0

// Package s3 is a bucket as it is to clients of Amazon S3, such as the repositories of Velero's file-system backup. Of
// uploads it takes what OSS takes of such clients (OSS documentation, "Access OSS using AWS SDKs"): no aws-chunked bodies.
//
// The simulated OSS has no S3 interface, so this is a bucket of its own.
package s3

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
)

// Bucket is an http.Handler that serves one bucket in path style, from memory. It is safe for concurrent use.
type Bucket struct {
	name string
	// region is what requests must be signed for, key what with.
	region string
	key    cloudsim.AccessKey

	mu      sync.Mutex
	objects map[string]object
	refused []string
}

type object struct {
	content  []byte
	modified time.Time
}

// New returns an empty bucket.
func New(name, region string, key cloudsim.AccessKey) *Bucket {
	return &Bucket{name: name, region: region, key: key, objects: map[string]object{}}
}

// Keys are the keys of the objects, sorted.
func (b *Bucket) Keys() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Sorted(maps.Keys(b.objects))
}

// Refusals are the requests that were refused, and why.
func (b *Bucket) Refusals() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string{}, b.refused...)
}

// ServeHTTP implements http.Handler.
func (b *Bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key, inBucket := strings.CutPrefix(r.URL.Path, "/"+b.name+"/")
	payload := r.Header.Get("X-Amz-Content-Sha256")
	switch {
	case !inBucket:
		b.refuse(w, r, http.StatusNotFound, "NoSuchBucket")
	case r.Header.Get("Authorization") != b.authorization(r, payload):
		b.refuse(w, r, http.StatusForbidden, "SignatureDoesNotMatch")
	case strings.HasPrefix(payload, "STREAMING-") || r.Header.Get("Content-Encoding") == "aws-chunked":
		b.refuse(w, r, http.StatusBadRequest, "InvalidArgument")
	case key == "" && r.Method == http.MethodGet && r.URL.Query().Get("list-type") == "2":
		b.list(w, r)
	case key == "":
		b.refuse(w, r, http.StatusNotImplemented, "NotImplemented")
	default:
		b.serveObject(w, r, key)
	}
}

// refuse answers with an error of the S3 interface, and remembers it. It needs b.mu.
func (b *Bucket) refuse(w http.ResponseWriter, r *http.Request, status int, code string) {
	b.refused = append(b.refused, fmt.Sprintf("%s %s: %s", r.Method, r.URL, code))
	writeError(w, status, code)
}

func writeError(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>The request was refused.</Message></Error>", code)
}

// list answers ListObjectsV2, all in one page. It needs b.mu.
func (b *Bucket) list(w http.ResponseWriter, r *http.Request) {
	type contents struct {
		Key          string
		LastModified time.Time
		ETag         string
		Size         int
	}
	page := struct {
		XMLName  xml.Name `xml:"ListBucketResult"`
		Name     string
		Contents []contents
	}{Name: b.name}
	for _, key := range slices.Sorted(maps.Keys(b.objects)) {
		if found := b.objects[key]; strings.HasPrefix(key, r.URL.Query().Get("prefix")) {
			page.Contents = append(page.Contents, contents{key, found.modified, found.etag(), len(found.content)})
		}
	}
	_ = xml.NewEncoder(w).Encode(page) // It fails if the client has gone.
}

// serveObject answers GetObject, HeadObject, PutObject and DeleteObject. It needs b.mu.
func (b *Bucket) serveObject(w http.ResponseWriter, r *http.Request, key string) {
	switch r.Method {
	case http.MethodPut:
		content, err := io.ReadAll(r.Body)
		put := object{content: content, modified: time.Now().UTC()}
		if sum := md5.Sum(content); err != nil || r.Header.Get("Content-Md5") != base64.StdEncoding.EncodeToString(sum[:]) {
			b.refuse(w, r, http.StatusBadRequest, "BadDigest")
			return
		}
		b.objects[key] = put
		w.Header().Set("ETag", put.etag())
	case http.MethodDelete:
		delete(b.objects, key)
		w.WriteHeader(http.StatusNoContent)
	case http.MethodGet, http.MethodHead:
		found, ok := b.objects[key]
		if !ok {
			writeError(w, http.StatusNotFound, "NoSuchKey") // No refusal: Velero asks whether there is a repository.
			return
		}
		w.Header().Set("ETag", found.etag())
		http.ServeContent(w, r, "", found.modified, bytes.NewReader(found.content))
	default:
		b.refuse(w, r, http.StatusNotImplemented, "NotImplemented")
	}
}

func (o object) etag() string { return fmt.Sprintf("%q", fmt.Sprintf("%x", md5.Sum(o.content))) }

// authorization is the header with which the request must come, by Signature Version 4 ("Authenticating Requests" in
// the reference of Amazon S3's API). Of the request's own header it takes the names of the signed headers alone.
func (b *Bucket) authorization(r *http.Request, payload string) string {
	_, rest, _ := strings.Cut(r.Header.Get("Authorization"), "SignedHeaders=")
	signed, _, _ := strings.Cut(rest, ",")
	var headers strings.Builder
	for name := range strings.SplitSeq(signed, ";") {
		value := strings.Join(r.Header.Values(name), ",")
		if name == "host" {
			value = r.Host
		}
		fmt.Fprintf(&headers, "%s:%s\n", name, value)
	}
	query := strings.ReplaceAll(r.URL.Query().Encode(), "+", "%20")
	canonical := strings.Join([]string{r.Method, r.URL.EscapedPath(), query, headers.String(), signed, payload}, "\n")

	const algorithm = "AWS4-HMAC-SHA256"
	now := r.Header.Get("X-Amz-Date")
	day, _, _ := strings.Cut(now, "T")
	scope := strings.Join([]string{day, b.region, "s3", "aws4_request"}, "/")
	hashed := sha256.Sum256([]byte(canonical))
	signature := []byte("AWS4" + b.key.Secret)
	for _, part := range append(strings.Split(scope, "/"), strings.Join([]string{algorithm, now, scope, hex.EncodeToString(hashed[:])}, "\n")) {
		mac := hmac.New(sha256.New, signature)
		mac.Write([]byte(part))
		signature = mac.Sum(nil)
	}
	return fmt.Sprintf("%s Credential=%s/%s, SignedHeaders=%s, Signature=%x", algorithm, b.key.ID, scope, signed, signature)
}
