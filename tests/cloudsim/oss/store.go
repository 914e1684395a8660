// SPDX-License-Identifier: Apache-2.0

package oss

import (
	"net/http"
	"slices"
	"time"
)

// index is a map whose keys can be walked in order of their bytes, as OSS lists them.
type index[V any] struct {
	keys   []string
	values map[string]V
}

func newIndex[V any]() index[V] { return index[V]{values: map[string]V{}} }

func (x *index[V]) get(key string) (V, bool) {
	v, ok := x.values[key]
	return v, ok
}

func (x *index[V]) put(key string, v V) {
	if _, ok := x.values[key]; !ok {
		i, _ := slices.BinarySearch(x.keys, key)
		x.keys = slices.Insert(x.keys, i, key)
	}
	x.values[key] = v
}

func (x *index[V]) remove(key string) {
	if _, ok := x.values[key]; !ok {
		return
	}
	i, _ := slices.BinarySearch(x.keys, key)
	x.keys = slices.Delete(x.keys, i, i+1)
	delete(x.values, key)
}

// bucket is guarded by Service.mu.
type bucket struct {
	config  BucketConfig
	created time.Time
	objects index[*object]
	uploads index[*upload]
}

func newBucket(config BucketConfig, created time.Time) *bucket {
	return &bucket{config: config, created: created, objects: newIndex[*object](), uploads: newIndex[*upload]()}
}

// put stores an object in place of the one with the same key.
func (b *bucket) put(o *object) {
	if old, ok := b.objects.get(o.key); ok {
		defer old.content.release()
	}
	b.objects.put(o.key, o)
}

func (b *bucket) remove(key string) {
	if old, ok := b.objects.get(key); ok {
		b.objects.remove(key)
		old.content.release()
	}
}

// attributes are what an object has besides its bytes.
type attributes struct {
	// header holds Content-Type and its kind, and x-oss-meta-*.
	header     http.Header
	class      string
	encryption Encryption
	tags       []Tag
}

// object is immutable once it is in a bucket: a change puts a changed copy there.
type object struct {
	key     string
	content content
	// etag is upper-case hexadecimal, without the quotes.
	etag string
	// kind is the value of x-oss-object-type.
	kind     string
	modified time.Time
	attributes
	// restored is nil for an object that nobody has restored from its archive.
	restored *restoration
}

const (
	kindNormal    = "Normal"
	kindMultipart = "Multipart"
)

// readable says whether the object's bytes can be read now.
func (o *object) readable(now time.Time) bool {
	return !archived(o.class) || o.restored.state(now) == restoreDone
}

// upload is a multipart upload in progress, guarded by Service.mu.
type upload struct {
	id        string
	key       string
	initiated time.Time
	parts     map[int]part
	attributes
}

type part struct {
	blob     *blob
	modified time.Time
}

// indexKey orders uploads by key, then by id. No key holds a zero byte in practice, and if one did only the order
// of uploads would suffer.
func (u *upload) indexKey() string { return u.key + "\x00" + u.id }

func (u *upload) release() {
	for _, p := range u.parts {
		p.blob.release()
	}
}

// change puts a changed copy of an object in its place.
func (b *bucket) change(old *object, edit func(*object)) {
	changed := *old
	edit(&changed)
	changed.content.acquire()
	b.put(&changed)
}
