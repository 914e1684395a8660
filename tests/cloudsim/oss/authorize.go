// SPDX-License-Identifier: Apache-2.0

package oss

import (
	"cmp"
	"errors"
	"net/http"
	"strings"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
)

// authenticate finds out who signed the request.
func (s *Service) authenticate(c *call) error {
	signed, err := c.parseSignature()
	if err != nil {
		return err
	}
	if signed == nil {
		c.anonymous = true
		return nil
	}
	c.entry.AccessKeyID = signed.accessKeyID
	secret, caller, err := s.accounts.Key(signed.accessKeyID, signed.securityToken)
	if err != nil {
		return refuseKey(signed, err)
	}
	if caller.Session && c.effect.ExpireToken {
		return refuseKey(signed, account.ErrExpiredToken)
	}
	if err := signed.verify(secret); err != nil {
		return err
	}
	c.caller = caller.WithRequest(c.request)
	c.entry.Caller = caller.ARN
	return nil
}

func refuseKey(signed *signature, err error) error {
	refuse := func(code, message string) *apiError {
		return newError(http.StatusForbidden, code, message)
	}
	const unknown = "The OSS Access Key Id you provided does not exist in our records."
	var refusal *apiError
	switch {
	case errors.Is(err, account.ErrExpiredToken):
		return refuse("SecurityTokenExpired", "The security token you provided has expired.")
	case errors.Is(err, account.ErrInvalidToken) && signed.securityToken == "":
		// A temporary key without its token is documented as a key that does not exist.
		refusal = refuse("InvalidAccessKeyId", unknown).withEC(ecUnknownKey)
	case errors.Is(err, account.ErrInvalidToken) && !strings.HasPrefix(signed.accessKeyID, "STS."):
		// A key of a RAM user with a token is looked up, in vain, among the keys of STS.
		refusal = refuse("InvalidAccessKeyId", unknown).withEC(ecTokenWithoutSTS)
	case errors.Is(err, account.ErrInvalidToken):
		return refuse("InvalidSecurityToken", "The security token you provided is invalid.")
	case errors.Is(err, account.ErrInactiveKey):
		refusal = refuse("InvalidAccessKeyId", "The OSS Access Key Id you provided is disabled.")
	case errors.Is(err, account.ErrUnknownKey):
		refusal = refuse("InvalidAccessKeyId", unknown).withEC(ecUnknownKey)
	default:
		return err
	}
	return refusal.with("OSSAccessKeyId", signed.accessKeyID)
}

// authorize decides whether the caller may do what the request asks for.
func (s *Service) authorize(c *call) error {
	switch {
	case c.op.scope == onService, c.op.creates:
		// There is no bucket whose owner counts: the caller acts in its own account.
		resource := objectARN(c.caller.AccountID, cmp.Or(c.bucket, "*"), "")
		if c.anonymous || s.decide(c.caller, c.op.actions, resource) != allowed {
			return accessDenied("AccessDenied")
		}
		return nil
	case len(c.op.actions) == 0:
		return nil
	}
	return s.permit(c, c.config, c.key, c.op.actions...)
}

// permit says whether the caller may do any of the actions on an object of a bucket, or on the bucket where the
// key is empty. The policies of the bucket's own account come first, then the bucket's ACL.
func (s *Service) permit(c *call, bucket BucketConfig, key string, actions ...string) error {
	own := !c.anonymous && c.caller.AccountID == bucket.Owner
	if own {
		caller := c.caller
		if key == "" {
			caller = caller.With("oss:Prefix", c.query.Get(paramPrefix)).With("oss:Delimiter", c.query.Get(paramDelimiter))
		}
		switch s.decide(caller, actions, objectARN(bucket.Owner, bucket.Name, key)) {
		case allowed:
			return nil
		case forbidden:
			return c.refuse(bucket.Name)
		case undecided:
		}
	}
	switch {
	case aclPermits(bucket.ACL, actions):
		return nil
	case own:
		return c.refuse(bucket.Name)
	case !c.anonymous:
		return notYourBucket(bucket.Name)
	case key == "":
		return accessDenied("Anonymous user has no right to access this bucket.").with("Bucket", bucket.Name)
	}
	return accessDenied("Anonymous user has no right to access this object.").with("Bucket", bucket.Name)
}

// refuse is the answer to a caller of the bucket's own account.
func (c *call) refuse(bucket string) error {
	if c.op.admin {
		return notYourBucket(bucket)
	}
	return noRight()
}

// verdict is what the policies of a caller say about several names of one permission.
type verdict int

const (
	undecided verdict = iota
	allowed
	forbidden
)

// decide asks for any of the actions. One that is denied explicitly is denied by all its names.
func (s *Service) decide(caller account.Caller, actions []string, resource string) verdict {
	v := undecided
	for _, action := range actions {
		switch d := s.accounts.Decide(caller, action, resource); {
		case d.NoPermissionType == "ExplicitDeny":
			return forbidden
		case d.Allowed:
			v = allowed
		}
	}
	return v
}

// objectARN names a bucket or an object for RAM. The region is always the asterisk: OSS accepts no other there.
func objectARN(owner, bucket, key string) string {
	arn := "acs:oss:*:" + owner + ":" + bucket
	if key != "" {
		arn += "/" + key
	}
	return arn
}

// aclPermits says whether a bucket's ACL lets everybody do one of the actions.
func aclPermits(acl string, actions []string) bool {
	for _, action := range actions {
		switch action {
		case "oss:GetObject", "oss:ListObjects", "oss:GetBucket":
			if acl == ACLPublicRead || acl == ACLPublicReadWrite {
				return true
			}
		case "oss:PutObject", "oss:DeleteObject", "oss:AbortMultipartUpload":
			if acl == ACLPublicReadWrite {
				return true
			}
		}
	}
	return false
}

// permitKMS says whether the caller may use the key of an encryption: kms:GenerateDataKey to write, kms:Decrypt to
// read. Only the algorithm KMS takes a permission.
func (s *Service) permitKMS(c *call, bucket BucketConfig, e Encryption, action string) error {
	if e.Algorithm != EncryptionKMS {
		return nil
	}
	key := e.KMSKeyID
	if key == "" {
		key = "alias/acs/oss"
	}
	resource := "acs:kms:" + bucket.Region + ":" + bucket.Owner + ":key/" + key
	if c.anonymous || s.decide(c.caller, []string{action}, resource) != allowed {
		return forbiddenByKMS()
	}
	return nil
}
