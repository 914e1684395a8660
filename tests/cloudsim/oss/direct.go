// SPDX-License-Identifier: Apache-2.0

package oss

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// The methods of this file are for tests: they look into the service and change it without a request.

// ErrNotFound says that there is no such bucket, object or upload.
var ErrNotFound = errors.New("not found in the simulated OSS")

// ObjectInfo describes an object.
type ObjectInfo struct {
	Key string
	// Size is in bytes.
	Size int64
	// ETag is without quotes.
	ETag         string
	StorageClass string
	LastModified time.Time
	// Header is what the object is served with, its user metadata among it.
	Header     http.Header
	Encryption Encryption
	Tags       []Tag
}

// UploadInfo describes a multipart upload in progress.
type UploadInfo struct {
	Key       string
	ID        string
	Initiated time.Time
	// Parts is how many parts have been uploaded, and Size their bytes.
	Parts int
	Size  int64
}

// CreateBucket adds a bucket. It is an error if one of that name exists.
func (s *Service) CreateBucket(config BucketConfig) error {
	config, err := config.withDefaults()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.buckets.get(config.Name); taken {
		return fmt.Errorf("bucket %q exists already", config.Name)
	}
	s.buckets.put(config.Name, newBucket(config, s.now()))
	return nil
}

// SetBucket changes the configuration of a bucket and keeps its objects.
func (s *Service) SetBucket(config BucketConfig) error {
	config, err := config.withDefaults()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucketNamed(config.Name)
	if err != nil {
		return err
	}
	b.config = config
	return nil
}

// DeleteBucket removes a bucket with all that is in it.
func (s *Service) DeleteBucket(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucketNamed(name)
	if err != nil {
		return err
	}
	s.buckets.remove(name)
	for _, o := range b.objects.values {
		o.content.release()
	}
	for _, u := range b.uploads.values {
		u.release()
	}
	return nil
}

// bucketNamed needs Service.mu.
func (s *Service) bucketNamed(name string) (*bucket, error) {
	b, ok := s.buckets.get(name)
	if !ok {
		return nil, fmt.Errorf("bucket %q: %w", name, ErrNotFound)
	}
	return b, nil
}

// Objects returns the objects of a bucket in the order of their keys, none for a bucket that does not exist.
func (s *Service) Objects(bucket string) []ObjectInfo {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, err := s.bucketNamed(bucket)
	if err != nil {
		return nil
	}
	infos := make([]ObjectInfo, 0, len(b.objects.keys))
	for _, key := range b.objects.keys {
		o, _ := b.objects.get(key)
		infos = append(infos, ObjectInfo{
			Key: o.key, Size: o.content.size, ETag: o.etag, StorageClass: o.class, LastModified: o.modified,
			Header: o.header.Clone(), Encryption: o.encryption, Tags: o.tags,
		})
	}
	return infos
}

// Read returns the bytes of an object, whatever its storage class.
func (s *Service) Read(bucket, key string) ([]byte, error) {
	s.mu.RLock()
	b, err := s.bucketNamed(bucket)
	s.mu.RUnlock()
	if err != nil {
		return nil, err
	}
	o, err := s.openIn(b, key)
	if err != nil {
		return nil, fmt.Errorf("object %s/%s: %w", bucket, key, ErrNotFound)
	}
	defer o.content.release()
	data := bytes.NewBuffer(make([]byte, 0, o.content.size)) // It may be hundreds of MiB: they are not copied.
	if err := o.content.copyTo(data, 0, o.content.size); err != nil {
		return nil, err
	}
	return data.Bytes(), nil
}

// Put stores an object with the bucket's storage class and encryption, in place of one with the same key.
func (s *Service) Put(bucket, key string, data []byte) error {
	_, err := s.PutWithHeader(bucket, key, data, nil)
	return err
}

// PutWithHeader is Put of an object that has further headers, as user metadata. It returns the ETag, without quotes.
func (s *Service) PutWithHeader(bucket, key string, data []byte, header http.Header) (etag string, err error) {
	if err := checkKey(key); err != nil {
		return "", err
	}
	b, err := s.blobs.write(bytes.NewReader(data))
	if err != nil {
		return "", err
	}
	stored := header.Clone()
	if stored == nil {
		stored = http.Header{}
	}
	if stored.Get(headerContentType) == "" {
		stored.Set(headerContentType, contentTypeDefault)
	}
	etag = strings.ToUpper(hex.EncodeToString(b.md5[:]))
	s.mu.Lock()
	defer s.mu.Unlock()
	in, err := s.bucketNamed(bucket)
	if err != nil {
		b.release()
		return "", err
	}
	in.put(&object{
		key: key, content: newContent(b), etag: etag, kind: kindNormal, modified: s.now(),
		attributes: attributes{header: stored, class: in.config.StorageClass, encryption: in.config.Encryption},
	})
	return etag, nil
}

// Delete removes an object. There may be none.
func (s *Service) Delete(bucket, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucketNamed(bucket)
	if err != nil {
		return err
	}
	b.remove(key)
	return nil
}

// Alter replaces the bytes of an object with what a function makes of them, and keeps everything else about it. It
// is a proper overwrite: ETag, CRC64 and time of modification are those of the new bytes.
func (s *Service) Alter(bucket, key string, edit func([]byte) []byte) error {
	data, err := s.Read(bucket, key)
	if err != nil {
		return err
	}
	b, err := s.blobs.write(bytes.NewReader(edit(data)))
	if err != nil {
		return err
	}
	defer b.release()
	return s.changeObject(bucket, key, func(o *object) {
		o.content, o.kind, o.modified = newContent(b), kindNormal, s.now()
		o.etag = strings.ToUpper(hex.EncodeToString(b.md5[:]))
	})
}

// SetStorageClass moves an object to another class, as a lifecycle rule does.
func (s *Service) SetStorageClass(bucket, key, class string) error {
	if !validClass(class) {
		return invalidStorageClass(class)
	}
	return s.changeObject(bucket, key, func(o *object) { o.class, o.restored = class, nil })
}

func (s *Service) changeObject(bucket, key string, edit func(*object)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucketNamed(bucket)
	if err != nil {
		return err
	}
	o, ok := b.objects.get(key)
	if !ok {
		return fmt.Errorf("object %s/%s: %w", bucket, key, ErrNotFound)
	}
	b.change(o, edit)
	return nil
}

// Uploads returns the multipart uploads in progress in a bucket in the order of their keys, none for a bucket that
// does not exist.
func (s *Service) Uploads(bucket string) []UploadInfo {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, err := s.bucketNamed(bucket)
	if err != nil {
		return nil
	}
	infos := make([]UploadInfo, 0, len(b.uploads.keys))
	for _, key := range b.uploads.keys {
		u, _ := b.uploads.get(key)
		info := UploadInfo{Key: u.key, ID: u.id, Initiated: u.initiated, Parts: len(u.parts)}
		for _, p := range u.parts {
			info.Size += p.blob.size
		}
		infos = append(infos, info)
	}
	return infos
}

// BackdateUploads makes all multipart uploads of a bucket older.
func (s *Service) BackdateUploads(bucket string, by time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucketNamed(bucket)
	if err != nil {
		return err
	}
	for _, u := range b.uploads.values {
		u.initiated = u.initiated.Add(-by)
	}
	return nil
}
