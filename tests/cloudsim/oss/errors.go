// SPDX-License-Identifier: Apache-2.0

package oss

import (
	"encoding/base64"
	"encoding/xml"
	"net/http"
	"strconv"
)

// apiError is an error answer of OSS.
type apiError struct {
	status  int
	code    string
	message string
	// ec is the number under which the cause is documented, empty where it is not known.
	ec string
	// details are further elements of the body, in order.
	details []detail
}

type detail struct{ name, value string }

func newError(status int, code, message string) *apiError {
	return &apiError{status: status, code: code, message: message}
}

// Error returns the code and the message.
func (e *apiError) Error() string { return e.code + ": " + e.message }

func (e *apiError) withEC(ec string) *apiError {
	e.ec = ec
	return e
}

func (e *apiError) with(name, value string) *apiError {
	e.details = append(e.details, detail{name, value})
	return e
}

// MarshalXML writes a detail as an element of its own name.
func (d detail) MarshalXML(enc *xml.Encoder, _ xml.StartElement) error {
	return enc.EncodeElement(d.value, xml.StartElement{Name: xml.Name{Local: d.name}})
}

type errorBody struct {
	XMLName   xml.Name `xml:"Error"`
	Code      string
	Message   string
	RequestID string `xml:"RequestId"`
	HostID    string `xml:"HostId"`
	Details   []detail
	EC        string `xml:",omitempty"`
	Doc       string `xml:"RecommendDoc,omitempty"`
}

// write answers a request with the error. A HEAD answer has no body: it carries it in the header x-oss-err.
func (e *apiError) write(w http.ResponseWriter, r *http.Request, requestID string) {
	body := errorBody{
		Code: e.code, Message: e.message, RequestID: requestID, HostID: r.Host, Details: e.details, EC: e.ec,
	}
	if e.ec != "" {
		body.Doc = "https://api.aliyun.com/troubleshoot?q=" + e.ec
		w.Header().Set(headerEC, e.ec)
	}
	if e.status == http.StatusNotModified {
		w.WriteHeader(e.status)
		return
	}
	data := marshalXML(body)
	w.Header().Set(headerContentType, contentTypeXML)
	if r.Method == http.MethodHead {
		w.Header().Set(headerErr, base64.StdEncoding.EncodeToString(data))
		w.WriteHeader(e.status)
		return
	}
	w.Header().Set(headerContentLength, strconv.Itoa(len(data)))
	w.WriteHeader(e.status)
	_, _ = w.Write(data) // a client that has gone needs no answer
}

// The EC numbers that several causes share.
const (
	ecNoRight          = "0003-00000001"
	ecUnknownKey       = "0002-00000902"
	ecSignature        = "0002-00000040"
	ecMalformedXML     = "0016-00000608"
	ecExpired          = "0002-00000069"
	ecTimeSkewed       = "0002-00000504"
	ecInvalidDate      = "0002-00000505"
	ecNotYetValid      = "0002-00000235"
	ecSigningRegion    = "0002-00000226"
	ecSigningProduct   = "0002-00000227"
	ecTaggingNotGiven  = "0003-00000905"
	ecTokenWithoutSTS  = "0002-00000002"
	ecNoSuchBucket     = "0015-00000101"
	ecBucketExists     = "0015-00000104"
	ecBucketNotEmpty   = "0015-00000301"
	ecNoSuchKey        = "0026-00000001"
	ecNoSuchUpload     = "0042-00000002"
	ecKeyIDNotAccepted = "0002-00000206"
)

func accessDenied(message string) *apiError {
	return newError(http.StatusForbidden, "AccessDenied", message)
}

// noRight is the answer to a caller whose policies do not allow what was asked for.
func noRight() *apiError {
	return accessDenied("You have no right to access this object because of bucket acl.").withEC(ecNoRight)
}

// notYourBucket is the answer for a bucket of another account, and for the administration of one's own without
// the permission.
func notYourBucket(bucket string) *apiError {
	return accessDenied("The bucket you access does not belong to you.").withEC(ecNoRight).with("BucketName", bucket)
}

// wrongEndpoint is the answer of an endpoint to requests for a bucket that it does not serve.
func wrongEndpoint(bucket, endpoint string) *apiError {
	return accessDenied("The bucket you are attempting to access must be addressed using the specified endpoint. "+
		"Please send all future requests to this endpoint.").with("Bucket", bucket).with("Endpoint", endpoint)
}

func forbiddenByKMS() *apiError { return accessDenied("This request is forbidden by kms") }

func invalidArgument(message string) *apiError {
	return newError(http.StatusBadRequest, "InvalidArgument", message)
}

func invalidArgumentNamed(name, value, message string) *apiError {
	return invalidArgument(message).with("ArgumentName", name).with("ArgumentValue", value)
}

func invalidBucketName(name string) *apiError {
	return newError(http.StatusBadRequest, "InvalidBucketName", "The specified bucket is not valid.").
		with("BucketName", name)
}

func invalidObjectName(key, message string) *apiError {
	return newError(http.StatusBadRequest, "InvalidObjectName", message).with("ObjectName", key)
}

func noSuchBucket(name string) *apiError {
	return newError(http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist.").
		withEC(ecNoSuchBucket).with("BucketName", name)
}

func noSuchKey(key string) *apiError {
	return newError(http.StatusNotFound, "NoSuchKey", "The specified key does not exist.").
		withEC(ecNoSuchKey).with("Key", key)
}

func noSuchUpload(id string) *apiError {
	return newError(http.StatusNotFound, "NoSuchUpload", "The specified upload does not exist. The upload ID may be "+
		"invalid, or the upload may have been aborted or completed.").withEC(ecNoSuchUpload).with("UploadId", id)
}

func invalidObjectState(key string) *apiError {
	return newError(http.StatusForbidden, "InvalidObjectState", "The operation is not valid for the object's state").
		with("ObjectName", key)
}

func invalidEncryptionAlgorithm() *apiError {
	return newError(http.StatusBadRequest, "InvalidEncryptionAlgorithmError",
		"The Encryption request you specified is not valid. Supported value: AES256/SM4/KMS.")
}

func invalidStorageClass(class string) *apiError {
	return newError(http.StatusBadRequest, "InvalidStorageClass", "The storage class you specified is not valid.").
		with("StorageClass", class)
}

func fileAlreadyExists(key string) *apiError {
	return newError(http.StatusConflict, "FileAlreadyExists",
		"The object you specified already exists and can not be overwritten.").with("Key", key)
}

func preconditionFailed(condition string) *apiError {
	return newError(http.StatusPreconditionFailed, "PreconditionFailed",
		"At least one of the pre-conditions you specified did not hold.").with("Condition", condition)
}

func notModified() *apiError { return newError(http.StatusNotModified, "NotModified", "Not Modified") }

func entityTooLarge(limit, size int64) *apiError {
	return newError(http.StatusBadRequest, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size.").
		with("MaxSizeAllowed", strconv.FormatInt(limit, 10)).with("ProposedSize", strconv.FormatInt(size, 10))
}

func invalidDigest() *apiError {
	return newError(http.StatusBadRequest, "InvalidDigest", "The Content-MD5 you specified was invalid.")
}

func malformedXML(reason string) *apiError {
	return newError(http.StatusBadRequest, "MalformedXML",
		"The XML you provided was not well-formed or did not validate against our published schema.").
		withEC(ecMalformedXML).with("ErrorDetail", reason)
}

func methodNotAllowed(r *http.Request) *apiError {
	return newError(http.StatusMethodNotAllowed, "MethodNotAllowed",
		"The specified method is not allowed against this resource.").with("Method", r.Method)
}

func notImplemented(what string) *apiError {
	return newError(http.StatusNotImplemented, "NotImplemented",
		"A header or parameter you provided implies functionality that is not implemented.").with("Argument", what)
}

// incompleteBody is the answer to a request whose body ended before its Content-Length or broke off.
func incompleteBody() *apiError {
	return newError(http.StatusBadRequest, "IncompleteBody",
		"You did not provide the number of bytes specified by the Content-Length HTTP header.")
}

func internalError() *apiError {
	return newError(http.StatusInternalServerError, "InternalError", "We encountered an internal error. Please try again.")
}
