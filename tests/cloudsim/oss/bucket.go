// SPDX-License-Identifier: Apache-2.0

package oss

import (
	"encoding/xml"
	"net/http"
	"time"
)

type bucketSummary struct {
	CreationDate     string
	ExtranetEndpoint string
	IntranetEndpoint string
	Location         string
	Name             string
	Region           string
	StorageClass     string
}

func (b *bucket) summary() bucketSummary {
	return bucketSummary{
		CreationDate: formatTime(b.created), Name: b.config.Name, Region: b.config.Region,
		Location: location(b.config.Region), StorageClass: b.config.StorageClass,
		ExtranetEndpoint: publicEndpoint(b.config.Region), IntranetEndpoint: internalEndpoint(b.config.Region),
	}
}

// location is a region's id as buckets report it.
func location(region string) string { return "oss-" + region }

type listBucketsResult struct {
	XMLName     xml.Name `xml:"ListAllMyBucketsResult"`
	Prefix      string   `xml:",omitempty"`
	Marker      string   `xml:",omitempty"`
	MaxKeys     int      `xml:",omitempty"`
	IsTruncated bool
	NextMarker  string `xml:",omitempty"`
	Owner       owner
	Buckets     []bucketSummary `xml:"Buckets>Bucket"`
}

// listBuckets lists the buckets of the caller's account in all regions.
func (s *Service) listBuckets(c *call) error {
	limit, err := c.pageLimit("max-keys", defaultBuckets)
	if err != nil {
		return err
	}
	sel := selection{prefix: c.query.Get(paramPrefix), after: c.query.Get(paramMarker), limit: limit}
	p, buckets := s.bucketsPage(c.caller.AccountID, sel)
	return c.writeXML(listBucketsResult{
		Prefix: sel.prefix, Marker: sel.after, MaxKeys: limit, IsTruncated: p.next != "", NextMarker: p.next,
		Owner: owner{ID: c.caller.AccountID, DisplayName: c.caller.AccountID}, Buckets: buckets,
	})
}

func (s *Service) bucketsPage(ownerID string, sel selection) (page, []bucketSummary) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var names []string
	for _, name := range s.buckets.keys {
		if b, _ := s.buckets.get(name); b.config.Owner == ownerID {
			names = append(names, name)
		}
	}
	p := sel.page(names)
	buckets := make([]bucketSummary, 0, len(p.keys))
	for _, name := range p.keys {
		b, _ := s.buckets.get(name)
		buckets = append(buckets, b.summary())
	}
	return p, buckets
}

type grant struct {
	Grant string
}

type encryptionRule struct {
	SSEAlgorithm   string
	KMSMasterKeyID string `xml:",omitempty"`
}

type bucketInfo struct {
	bucketSummary
	AccessControlList        grant
	DataRedundancyType       string
	Owner                    owner
	ServerSideEncryptionRule encryptionRule
	TransferAcceleration     string
	Versioning               string `xml:",omitempty"`
}

type bucketInfoResult struct {
	XMLName xml.Name `xml:"BucketInfo"`
	Bucket  bucketInfo
}

func (s *Service) getBucketInfo(c *call) error {
	s.mu.RLock()
	summary := c.found.summary()
	s.mu.RUnlock()
	info := bucketInfo{
		bucketSummary: summary, AccessControlList: grant{c.config.ACL}, DataRedundancyType: c.config.DataRedundancy,
		Owner:                    owner{ID: c.config.Owner, DisplayName: c.config.Owner},
		ServerSideEncryptionRule: encryptionRule{SSEAlgorithm: "None"}, TransferAcceleration: "Disabled",
	}
	if e := c.config.Encryption; e.Algorithm != "" {
		info.ServerSideEncryptionRule = encryptionRule{SSEAlgorithm: e.Algorithm, KMSMasterKeyID: e.KMSKeyID}
	}
	if c.config.TransferAcceleration {
		info.TransferAcceleration = "Enabled"
	}
	return c.writeXML(bucketInfoResult{Bucket: info})
}

type bucketStat struct {
	XMLName                     xml.Name `xml:"BucketStat"`
	Storage                     int64
	ObjectCount                 int64
	MultipartUploadCount        int64
	MultipartPartCount          int64
	LiveChannelCount            int64
	LastModifiedTime            int64
	StandardStorage             int64
	StandardObjectCount         int64
	InfrequentAccessStorage     int64
	InfrequentAccessObjectCount int64
	ArchiveStorage              int64
	ArchiveObjectCount          int64
	ColdArchiveStorage          int64
	ColdArchiveObjectCount      int64
	DeepColdArchiveStorage      int64
	DeepColdArchiveObjectCount  int64
}

func (b *bucketStat) add(o *object) {
	size := o.content.size
	b.Storage += size
	b.ObjectCount++
	storage, count := &b.StandardStorage, &b.StandardObjectCount
	switch o.class {
	case ClassIA:
		storage, count = &b.InfrequentAccessStorage, &b.InfrequentAccessObjectCount
	case ClassArchive:
		storage, count = &b.ArchiveStorage, &b.ArchiveObjectCount
	case ClassColdArchive:
		storage, count = &b.ColdArchiveStorage, &b.ColdArchiveObjectCount
	case ClassDeepColdArchive:
		storage, count = &b.DeepColdArchiveStorage, &b.DeepColdArchiveObjectCount
	}
	*storage += size
	*count++
}

// getBucketStat reports what is in the bucket now. The real service's numbers are up to an hour old.
func (s *Service) getBucketStat(c *call) error {
	stat := bucketStat{LastModifiedTime: c.now.Unix()}
	s.mu.RLock()
	for _, o := range c.found.objects.values {
		stat.add(o)
	}
	for _, u := range c.found.uploads.values {
		stat.MultipartUploadCount++
		stat.MultipartPartCount += int64(len(u.parts))
	}
	s.mu.RUnlock()
	return c.writeXML(stat)
}

type locationConstraint struct {
	XMLName xml.Name `xml:"LocationConstraint"`
	Region  string   `xml:",chardata"`
}

func (s *Service) getBucketLocation(c *call) error {
	return c.writeXML(locationConstraint{Region: location(c.config.Region)})
}

type accessControlPolicy struct {
	XMLName           xml.Name `xml:"AccessControlPolicy"`
	Owner             owner
	AccessControlList grant
}

func (s *Service) getBucketACL(c *call) error {
	return c.writeXML(accessControlPolicy{
		Owner:             owner{ID: c.config.Owner, DisplayName: c.config.Owner},
		AccessControlList: grant{c.config.ACL},
	})
}

type createBucketRequest struct {
	StorageClass       string
	DataRedundancyType string
}

// putBucket creates a bucket in the region of the endpoint. It may be repeated by the owner.
func (s *Service) putBucket(c *call) error {
	var request createBucketRequest
	if err := c.readXML("CreateBucketConfiguration", &request); err != nil {
		return err
	}
	region := c.region
	if region == "" {
		region = s.region
	}
	config, err := BucketConfig{
		Name: c.bucket, Region: region, Owner: c.caller.AccountID, StorageClass: request.StorageClass,
		DataRedundancy: request.DataRedundancyType, ACL: c.request.Header.Get(headerACL),
	}.withDefaults()
	if err != nil {
		return invalidArgument(err.Error())
	}
	if err := s.create(config, c.now); err != nil {
		return err
	}
	c.writer.Header().Set("Location", "/"+c.bucket)
	c.writer.WriteHeader(http.StatusOK)
	return nil
}

func (s *Service) create(config BucketConfig, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, taken := s.buckets.get(config.Name)
	if !taken {
		s.buckets.put(config.Name, newBucket(config, now.Truncate(time.Millisecond)))
		return nil
	}
	if old.config.Owner != config.Owner || old.config.Region != config.Region {
		return bucketAlreadyExists(config.Name, "The requested bucket name is not available. The bucket namespace is "+
			"shared by all users of the system. Please select a different name and try again.")
	}
	if old.config.StorageClass != config.StorageClass {
		return bucketAlreadyExists(config.Name, "Cannot modify existing bucket's storage class.")
	}
	old.config.ACL = config.ACL
	return nil
}

func (s *Service) deleteBucket(c *call) error {
	if err := s.removeEmpty(c); err != nil {
		return err
	}
	c.writer.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Service) removeEmpty(c *call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(c.found.objects.keys) > 0 {
		return bucketNotEmpty(c.bucket, "The bucket has objects. Please delete them first.")
	}
	if len(c.found.uploads.keys) > 0 {
		return bucketNotEmpty(c.bucket, "The bucket you tried to delete is not empty.")
	}
	s.buckets.remove(c.bucket)
	return nil
}

func bucketAlreadyExists(name, message string) *apiError {
	return newError(http.StatusConflict, "BucketAlreadyExists", message).withEC(ecBucketExists).with("BucketName", name)
}

func bucketNotEmpty(name, message string) *apiError {
	return newError(http.StatusConflict, "BucketNotEmpty", message).withEC(ecBucketNotEmpty).with("BucketName", name)
}
