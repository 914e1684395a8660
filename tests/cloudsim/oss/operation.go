// SPDX-License-Identifier: Apache-2.0

package oss

import (
	"net/http"
	"net/url"
	"slices"
)

// scope is what an operation is about.
type scope int

const (
	onService scope = iota
	onBucket
	onObject
)

// operation is one API operation: how a request for it looks, and which permission it takes.
type operation struct {
	// name is the API's name.
	name   string
	method string
	scope  scope
	// params are the query parameters that make a request this operation.
	params []string
	// header is a header that makes a request this operation.
	header string
	// actions are the RAM actions of which any one permits the operation.
	actions []string
	// admin marks the administration of a bucket, for which OSS words a refusal in its own way.
	admin bool
	// creates marks the operation for which the bucket need not exist.
	creates bool
	handle  func(*Service, *call) error
}

// operations returns all operations, those that more parameters or headers tell apart before the others.
func operations() []operation {
	return slices.Concat(serviceOperations(), bucketOperations(), multipartOperations(), objectOperations())
}

func serviceOperations() []operation {
	return []operation{{
		name: "ListBuckets", method: http.MethodGet, scope: onService,
		actions: []string{"oss:ListBuckets"}, handle: (*Service).listBuckets,
	}}
}

func bucketOperations() []operation {
	// oss:GetBucket is the older name of the permission to list, which the managed policies still use.
	list := []string{"oss:ListObjects", "oss:GetBucket"}
	return []operation{
		{
			name: "GetBucketInfo", method: http.MethodGet, scope: onBucket, params: []string{"bucketInfo"},
			actions: []string{"oss:GetBucketInfo"}, admin: true, handle: (*Service).getBucketInfo,
		}, {
			name: "GetBucketStat", method: http.MethodGet, scope: onBucket, params: []string{"stat"},
			actions: []string{"oss:GetBucketStat"}, admin: true, handle: (*Service).getBucketStat,
		}, {
			name: "GetBucketLocation", method: http.MethodGet, scope: onBucket, params: []string{"location"},
			actions: []string{"oss:GetBucketLocation"}, admin: true, handle: (*Service).getBucketLocation,
		}, {
			name: "GetBucketAcl", method: http.MethodGet, scope: onBucket, params: []string{"acl"},
			actions: []string{"oss:GetBucketAcl"}, admin: true, handle: (*Service).getBucketACL,
		}, {
			name: "ListMultipartUploads", method: http.MethodGet, scope: onBucket, params: []string{"uploads"},
			actions: []string{"oss:ListMultipartUploads"}, handle: (*Service).listMultipartUploads,
		}, {
			name: "ListObjectsV2", method: http.MethodGet, scope: onBucket, params: []string{"list-type"},
			actions: list, handle: (*Service).listObjectsV2,
		}, {
			name: "ListObjects", method: http.MethodGet, scope: onBucket,
			actions: list, handle: (*Service).listObjects,
		}, {
			// The permission is needed on every key, which only the body names.
			name: "DeleteMultipleObjects", method: http.MethodPost, scope: onBucket, params: []string{"delete"},
			handle: (*Service).deleteMultipleObjects,
		}, {
			name: "PutBucket", method: http.MethodPut, scope: onBucket,
			actions: []string{"oss:PutBucket"}, admin: true, creates: true, handle: (*Service).putBucket,
		}, {
			name: "DeleteBucket", method: http.MethodDelete, scope: onBucket,
			actions: []string{"oss:DeleteBucket"}, admin: true, handle: (*Service).deleteBucket,
		},
	}
}

func multipartOperations() []operation {
	put := []string{"oss:PutObject"}
	return []operation{
		{
			name: "InitiateMultipartUpload", method: http.MethodPost, scope: onObject, params: []string{"uploads"},
			actions: put, handle: (*Service).initiateMultipartUpload,
		}, {
			name: "UploadPartCopy", method: http.MethodPut, scope: onObject,
			params: []string{"partNumber", "uploadId"}, header: headerCopySource,
			actions: put, handle: (*Service).uploadPartCopy,
		}, {
			name: "UploadPart", method: http.MethodPut, scope: onObject, params: []string{"partNumber", "uploadId"},
			actions: put, handle: (*Service).uploadPart,
		}, {
			name: "CompleteMultipartUpload", method: http.MethodPost, scope: onObject, params: []string{"uploadId"},
			actions: put, handle: (*Service).completeMultipartUpload,
		}, {
			name: "AbortMultipartUpload", method: http.MethodDelete, scope: onObject, params: []string{"uploadId"},
			actions: []string{"oss:AbortMultipartUpload"}, handle: (*Service).abortMultipartUpload,
		}, {
			name: "ListParts", method: http.MethodGet, scope: onObject, params: []string{"uploadId"},
			actions: []string{"oss:ListParts"}, handle: (*Service).listParts,
		},
	}
}

func objectOperations() []operation {
	get := []string{"oss:GetObject"}
	return []operation{
		{
			name: "GetObjectTagging", method: http.MethodGet, scope: onObject, params: []string{"tagging"},
			actions: []string{"oss:GetObjectTagging"}, handle: (*Service).getObjectTagging,
		}, {
			name: "PutObjectTagging", method: http.MethodPut, scope: onObject, params: []string{"tagging"},
			actions: []string{"oss:PutObjectTagging"}, handle: (*Service).putObjectTagging,
		}, {
			name: "DeleteObjectTagging", method: http.MethodDelete, scope: onObject, params: []string{"tagging"},
			actions: []string{"oss:DeleteObjectTagging"}, handle: (*Service).deleteObjectTagging,
		}, {
			name: "RestoreObject", method: http.MethodPost, scope: onObject, params: []string{"restore"},
			actions: []string{"oss:RestoreObject"}, handle: (*Service).restoreObject,
		}, {
			name: "GetObjectMeta", method: http.MethodHead, scope: onObject, params: []string{"objectMeta"},
			actions: get, handle: (*Service).getObjectMeta,
		}, {
			name: "CopyObject", method: http.MethodPut, scope: onObject, header: headerCopySource,
			actions: []string{"oss:PutObject"}, handle: (*Service).copyObject,
		}, {
			name: "PutObject", method: http.MethodPut, scope: onObject,
			actions: []string{"oss:PutObject"}, handle: (*Service).putObject,
		}, {
			name: "GetObject", method: http.MethodGet, scope: onObject, actions: get, handle: (*Service).getObject,
		}, {
			name: "HeadObject", method: http.MethodHead, scope: onObject, actions: get, handle: (*Service).headObject,
		}, {
			name: "DeleteObject", method: http.MethodDelete, scope: onObject,
			actions: []string{"oss:DeleteObject"}, handle: (*Service).deleteObject,
		},
	}
}

// matches says whether a request for the address is one for the operation.
func (o *operation) matches(r *http.Request, a address, query url.Values) bool {
	if o.method != r.Method || o.scope != a.scope() {
		return false
	}
	for _, p := range o.params {
		if !query.Has(p) {
			return false
		}
	}
	if o.header != "" && r.Header.Get(o.header) == "" {
		return false
	}
	return len(o.params) > 0 || !asksForMore(query)
}

func (a address) scope() scope {
	switch {
	case a.bucket == "":
		return onService
	case a.key == "":
		return onBucket
	}
	return onObject
}

// asksForMore says whether a parameter selects an operation that is not simulated, so that it is not taken for
// the operation without the parameter.
func asksForMore(query url.Values) bool {
	for name := range query {
		if selectsOperation(name) {
			return true
		}
	}
	return false
}

func selectsOperation(name string) bool {
	switch name {
	case "accessmonitor", "accessPoint", "acl", "append", "asyncFetch", "bucketInfo", "callback", "cname", "comp",
		"cors", "delete", "encryption", "inventory", "inventoryId", "lifecycle", "link", "live", "location", "logging",
		"metaQuery", "objectMeta", "policy", "policyStatus", "processConfiguration", "publicAccessBlock", "qos",
		"qosInfo", "referer", "regions", "replication", "replicationLocation", "replicationProgress",
		"requestPayment", "resourceGroup", "restore", "seal", "stat", "status", "style", "symlink", "tagging",
		"transferAcceleration", "uploadId", "uploads", "versioning", "versions", "vod", "website", "worm",
		"x-oss-process", "x-oss-async-process":
		return true
	}
	return false
}
